//! Resources that go by their name (devices, roles): create and replace, each
//! written once. What tells one kind from another stands in its own file.

use super::fields::Fields;
use super::listed::{self, Listed};
use super::problem::ApiError;
use super::reply::Reply;
use super::request::Request;
use crate::model::{DirectoryChange, Mode};
use crate::service::{App, Reach};
use crate::store::Store;

/// One kind of resource that goes by its name.
pub(super) trait Named: Listed {
    /// Its names.
    type Name;
    /// What a body describes.
    type Input;

    /// Reads a name; what can be none names nothing.
    fn parse(name: &str) -> Option<Self::Name>;
    /// Reads a body. `named`: the name that the path gives.
    fn input(fields: &mut Fields<'_>, named: Option<&Self::Name>) -> Option<Self::Input>;
    /// The change that creates or replaces it.
    fn putting(mode: Mode, input: Self::Input) -> DirectoryChange;
}

/// `POST /{collection}`
pub(super) async fn create<R: Named, S: Store>(
    app: &App<S>,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let input = request.object(|fields| R::input(fields, None)).await?;
    let change = R::putting(Mode::Create, input);
    listed::change_one::<R, S>(app, request, &caller, change, None).await
}

/// `PUT /{collection}/{name}`
pub(super) async fn put<R: Named, S: Store>(
    app: &App<S>,
    name: &str,
    request: &mut Request,
) -> Result<Reply, ApiError> {
    let caller = request.caller(app, Reach::Everything).await?;
    let name = R::parse(name).ok_or(ApiError::NotFound)?;
    let read = request.object(|fields| {
        let version = fields.version();
        Some((R::input(fields, Some(&name))?, version))
    });
    let (input, version) = read.await?;
    let change = R::putting(Mode::CreateOrReplace, input);
    listed::change_one::<R, S>(app, request, &caller, change, version).await
}
