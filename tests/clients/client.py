"""A till's day with the client that openapi-python-client makes out of the
document: log in, list, end, be refused."""

import os

from tillgate_client import AuthenticatedClient, Client
from tillgate_client.api.auth import get_profile, log_in
from tillgate_client.api.server import list_audit
from tillgate_client.api.sessions import end_session, list_sessions
from tillgate_client.models import AuditPage, AuthRequest, AuthResult, Problem, Session, SessionPage

URL = os.environ["TILLGATE_URL"]


def logged_in(user_name: str, device_name: str) -> AuthResult:
    body = AuthRequest(user_name=user_name, password="pass", device_name=device_name)
    login = log_in.sync(client=Client(base_url=URL), body=body)
    assert isinstance(login, AuthResult), login
    return login


owner = AuthenticatedClient(base_url=URL, token=logged_in("999", "BackOffice").token_id)
till = logged_in("2", "P01")

page = list_sessions.sync(client=owner, device_name="P01", sort="-startedAt", take=5)
assert isinstance(page, SessionPage), page
assert page.total_count == 1 and page.items[0].session_id == till.session_id, page

ended = end_session.sync(id=till.session_id, client=owner)
assert isinstance(ended, Session) and ended.identity.user_name == "2", ended

refused = get_profile.sync(client=AuthenticatedClient(base_url=URL, token=till.token_id))
assert isinstance(refused, Problem) and refused.status == 401 and refused.reason == "revoked", refused

audit = list_audit.sync(client=owner, action="sessionEnded", take=1)
assert isinstance(audit, AuditPage), audit
