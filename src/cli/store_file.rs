//! The store file: roles, devices and users as JSON, in the shapes of the API's
//! bodies. What import reads is what export writes.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::exit::{Exit, Failure};
use crate::auth::password;
use crate::auth::policy::PasswordPolicy;
use crate::auth::secret::Secret;
use crate::http::body::Node;
use crate::http::fields::{self, Fields};
use crate::http::resource::{DeviceBody, RoleBody, UserBody};
use crate::http::{device_input, role_input, user_input};
use crate::model::{
    Actor, Cause, DeviceInput, Directory, DirectoryChange, Field, Mode, Precondition, Refusal,
    RoleInput, UserId, UserInput,
};
use crate::service::{App, ServiceError, about};
use crate::store::Store;

/// Whose share of the hashing an import takes.
const OPERATOR: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Passwords that are hashed at the same time, or wait for it.
const HASHES_AT_ONCE_MAX: usize = 8;
/// How long to wait when the hashing is busy with others.
const HASH_RETRY: Duration = Duration::from_millis(50);
/// Deepest JSON that is read: the depth of a body, inside two lists.
const DEPTH_MAX: usize = crate::http::body::BODY_DEPTH_MAX + 4;
/// Faults of a store file that are told one by one.
const FAULTS_SAID_MAX: usize = 20;
/// The member that export writes a password's hash to.
const PASSWORD_HASH: &str = "passwordHash";

/// What an import brought in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// How many roles.
    pub roles: usize,
    /// How many devices.
    pub devices: usize,
    /// How many users.
    pub users: usize,
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            roles,
            devices,
            users,
        } = self;
        write!(
            f,
            "Imported {roles} roles, {devices} devices and {users} users."
        )
    }
}

/// Reads a store file into a store, all of it or nothing. What is there under
/// the same name is replaced; what the file does not name stays. `progress`
/// hears how many of how many passwords are hashed.
///
/// # Errors
/// The place in the file and what is wrong there; then nothing was changed.
pub async fn load<S: Store>(
    app: &Arc<App<S>>,
    text: &str,
    progress: impl Fn(usize, usize),
) -> Result<Loaded, Failure> {
    let mut file = StoreFile::parse(text)?;
    let directory = app.store.directory().await;
    check(&file, &directory, &app.policy.dummy_hash)?;
    check_passwords(&file, &directory, &app.policy.passwords)?;
    hash_passwords(app, &mut file.users, progress).await?;
    let change = DirectoryChange::All(file.changes(&directory, None));
    let done = app
        .change(change, Precondition::default(), Cause::operator())
        .await;
    done.map_err(|error| refused(&file, &directory, error))?;
    Ok(file.counts())
}

/// Everything that `load` understands, passwords as their hashes.
#[must_use]
pub fn export(directory: &Directory) -> Value {
    let users = directory.users().map(|user| {
        let mut body = json!(UserBody::new(user, directory));
        if let Some(hash) = &user.password {
            body[PASSWORD_HASH] = Value::from(&**hash);
        }
        body
    });
    json!({
        "roles": directory.roles().map(|role| RoleBody::from(&**role)).collect::<Vec<_>>(),
        "devices": directory.devices().map(|device| DeviceBody::from(&**device)).collect::<Vec<_>>(),
        "users": users.collect::<Vec<_>>(),
    })
}

/// Writes a file that only its owner can read, whole or not at all: beside its
/// place first, synced, then moved there.
///
/// # Errors
/// With the path and the remedy; what stood there before is untouched.
pub fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let failure = |error: std::io::Error| {
        let sentence = format!(
            "{}: {error}; choose a place that can be written",
            path.display()
        );
        Failure::new(Exit::Io, sentence)
    };
    let name = path
        .file_name()
        .ok_or_else(|| failure(std::io::ErrorKind::InvalidInput.into()))?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let beside = folder.join(format!(
        ".{}.{:016x}",
        name.to_string_lossy(),
        rand::random::<u64>()
    ));
    let written = write_beside(&beside, text)
        .and_then(|()| std::fs::rename(&beside, path))
        .and_then(|()| std::fs::File::open(folder)?.sync_all());
    if written.is_err() {
        // Nobody knows this name; what is left of it is only in the way.
        let _ = std::fs::remove_file(&beside);
    }
    written.map_err(failure)
}

fn write_beside(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A store file, read but not yet held against a store.
struct StoreFile {
    roles: Vec<RoleInput>,
    devices: Vec<DeviceInput>,
    users: Vec<FileUser>,
}

/// A user of a store file.
struct FileUser {
    /// As export wrote it.
    id: Option<UserId>,
    input: UserInput,
    /// To be hashed.
    plain: Option<Secret>,
}

impl StoreFile {
    fn parse(text: &str) -> Result<Self, Failure> {
        let node = Node::parse(text.as_bytes(), DEPTH_MAX).map_err(|error| {
            Failure::new(Exit::Data, format!("the store file is not JSON: {error}"))
        })?;
        let read = fields::read(node, "", |file| {
            Some(Self {
                roles: file.objects("roles", |role| role_input(role, None)),
                devices: file.objects("devices", |device| device_input(device, None)),
                users: file.objects("users", file_user),
            })
        });
        read.map_err(|faults| failure(&faults))
    }

    /// The steps of the import, in the order in which they can be made, with
    /// this hash instead of every password that is not hashed yet.
    fn changes(&self, directory: &Directory, hash: Option<&Arc<str>>) -> Vec<DirectoryChange> {
        let mode = Mode::CreateOrReplace;
        let roles = self.roles.iter().cloned();
        let roles = roles.map(|input| DirectoryChange::PutRole { mode, input });
        let devices = self.devices.iter().cloned();
        let devices = devices.map(|input| DirectoryChange::PutDevice { mode, input });
        let users = self.users.iter().map(|user| user.change(directory, hash));
        roles.chain(devices).chain(users).collect()
    }

    /// The place of a step.
    fn place(&self, step: usize) -> String {
        let (roles, devices) = (self.roles.len(), self.devices.len());
        if step < roles {
            format!("roles[{step}]")
        } else if step < roles + devices {
            format!("devices[{}]", step - roles)
        } else {
            format!("users[{}]", step - roles - devices)
        }
    }

    fn counts(&self) -> Loaded {
        Loaded {
            roles: self.roles.len(),
            devices: self.devices.len(),
            users: self.users.len(),
        }
    }
}

fn file_user(fields: &mut Fields<'_>) -> Option<FileUser> {
    let id = fields.text("id").and_then(|id| {
        let parsed = UserId::parse(&id).ok();
        if parsed.is_none() {
            fields.fault("id", "must be 24 hex digits", None);
        }
        parsed
    });
    let plain = fields.text("password").map(Secret::new);
    let hash = fields.text(PASSWORD_HASH);
    if hash.as_ref().is_some_and(|hash| !password::is_hash(hash)) {
        fields.fault(
            PASSWORD_HASH,
            "must be an argon2id hash as export writes it",
            None,
        );
    }
    if plain.is_some() && hash.is_some() {
        fields.fault("password", "must not be given beside passwordHash", None);
    }
    let input = user_input(fields, None)?;
    Some(FileUser {
        id,
        input: UserInput {
            password: hash.map(Arc::from),
            ..input
        },
        plain,
    })
}

impl FileUser {
    fn change(&self, directory: &Directory, hash: Option<&Arc<str>>) -> DirectoryChange {
        let mut input = self.input.clone();
        if self.plain.is_some() && input.password.is_none() {
            input.password = hash.cloned();
        }
        let there = directory.user_named(&input.user_name).map(|user| user.id);
        let (mode, id) = there.map_or_else(
            || (Mode::Create, self.id.unwrap_or_else(UserId::draw)),
            |id| (Mode::CreateOrReplace, id),
        );
        DirectoryChange::PutUser { mode, id, input }
    }
}

/// Whether the import could be made: asked before the hashing, which is dear.
fn check(file: &StoreFile, directory: &Directory, dummy: &Arc<str>) -> Result<(), Failure> {
    let steps = file.changes(directory, Some(dummy));
    decide(directory, &steps).map_err(|refusal| place_refusal(file, directory, &steps, refusal))
}

fn decide(directory: &Directory, steps: &[DirectoryChange]) -> Result<(), Refusal> {
    let all = DirectoryChange::All(steps.to_vec());
    directory
        .decide(&all, &Precondition::default(), &Actor::System)
        .map(|_| ())
}

/// Names the step that can not be made: the first with which a beginning of the
/// list is refused.
fn place_refusal(
    file: &StoreFile,
    directory: &Directory,
    steps: &[DirectoryChange],
    refusal: Refusal,
) -> Failure {
    let ends: Vec<usize> = (1..=steps.len()).collect();
    let first = ends.partition_point(|end| decide(directory, &steps[..*end]).is_ok());
    let place = file.place(first.min(steps.len().saturating_sub(1)));
    match refusal {
        Refusal::Invalid(faults) => {
            let placed = faults.into_iter().map(|fault| Field {
                member: format!("{place}.{}", fault.member),
                ..fault
            });
            failure(&placed.collect::<Vec<_>>())
        }
        Refusal::Forbidden(sentence) => Failure::new(
            Exit::Refused,
            format!("{place}: {sentence}; nothing was changed"),
        ),
        _ => Failure::new(
            Exit::Refused,
            format!("{place} can not be imported; nothing was changed"),
        ),
    }
}

fn check_passwords(
    file: &StoreFile,
    directory: &Directory,
    policy: &PasswordPolicy,
) -> Result<(), Failure> {
    let stored = directory
        .devices()
        .map(|device| (device.name.clone(), device.env));
    let given = file
        .devices
        .iter()
        .map(|device| (device.name.clone(), device.env));
    let envs: HashMap<_, _> = stored.chain(given).collect();
    let faults = file.users.iter().enumerate().filter_map(|(i, user)| {
        let (plain, input) = (user.plain.as_ref()?, &user.input);
        let names = [input.user_name.as_str(), &input.name];
        let devices = input.devices.iter().map(|entry| &entry.name);
        let about = about(names, devices, |name| envs.get(name).copied());
        let fault = policy.judge(plain, &about).err()?;
        Some(Field {
            member: format!("users[{i}].password"),
            message: fault.to_string(),
            code: None,
        })
    });
    let faults: Vec<_> = faults.collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(failure(&faults))
    }
}

async fn hash_passwords<S: Store>(
    app: &Arc<App<S>>,
    users: &mut [FileUser],
    progress: impl Fn(usize, usize),
) -> Result<(), Failure> {
    let plain = users
        .iter_mut()
        .enumerate()
        .filter_map(|(i, user)| Some((i, user.plain.take()?)));
    let waiting: Vec<_> = plain.collect();
    let (all, mut done) = (waiting.len(), 0);
    let mut waiting = waiting.into_iter();
    let mut running = JoinSet::new();
    loop {
        while running.len() < HASHES_AT_ONCE_MAX {
            let Some((i, plain)) = waiting.next() else {
                break;
            };
            running.spawn(hash(Arc::clone(app), i, plain));
        }
        let Some(hashed) = running.join_next().await else {
            return Ok(());
        };
        let (i, hash) = hashed.map_err(|error| Failure::new(Exit::Failure, error))?;
        users[i].input.password = Some(hash);
        done += 1;
        progress(done, all);
    }
}

/// Hashes one password, however long others keep the hashing busy.
async fn hash<S: Store>(app: Arc<App<S>>, user: usize, plain: Secret) -> (usize, Arc<str>) {
    loop {
        let again = Secret::new(plain.expose().to_owned());
        match app.hashing.hash(OPERATOR, again).await {
            Ok(hash) => return (user, hash),
            Err(_) => tokio::time::sleep(HASH_RETRY).await,
        }
    }
}

/// The store was changed by others between check and change, or can not write.
fn refused(file: &StoreFile, directory: &Directory, error: ServiceError) -> Failure {
    match error {
        ServiceError::Invalid(faults) => {
            let steps = file.changes(directory, None);
            place_refusal(file, directory, &steps, Refusal::Invalid(faults))
        }
        error => super::operate::service_failure(error),
    }
}

/// What is wrong with the file: one place in the sentence, more on lines of
/// their own, and of very many the first.
fn failure(faults: &[Field]) -> Failure {
    let said = |fault: &Field| format!("{} {}", fault.member, fault.message);
    let sentence = if let [only] = faults {
        format!("the store file: {}; nothing was changed", said(only))
    } else {
        let mut lines = vec!["the store file: nothing was changed".to_owned()];
        lines.extend(faults.iter().take(FAULTS_SAID_MAX).map(said));
        if let Some(left) = faults.len().checked_sub(FAULTS_SAID_MAX + 1) {
            lines.push(format!("... and {} more", left + 1));
        }
        lines.join("\n  ")
    };
    Failure::new(Exit::Data, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeviceName, UserName};
    use crate::service::testing::empty_app;

    const DEMO: &str = include_str!("../../data/demo/store.json");

    async fn loaded(text: &str) -> Result<Loaded, String> {
        load(&empty_app(), text, |_, _| {})
            .await
            .map_err(|failure| failure.message)
    }

    #[tokio::test]
    async fn what_is_exported_is_imported_as_the_same() {
        let first = empty_app();
        let loaded = load(&first, DEMO, |_, _| {})
            .await
            .expect("the demo is good");
        assert_eq!(
            loaded,
            Loaded {
                roles: 2,
                devices: 5,
                users: 2
            }
        );
        let exported = export(&*first.store.directory().await);

        let second = empty_app();
        load(&second, &exported.to_string(), |_, _| {})
            .await
            .expect("an export is good");

        assert_eq!(export(&*second.store.directory().await), exported);
        let user = second
            .store
            .directory()
            .await
            .user_by("999")
            .expect("there")
            .clone();
        let stored = user.password.as_deref().expect("a password");
        assert!(password::verify(
            &Secret::new("demo-owner".to_owned()),
            stored
        ));
    }

    #[tokio::test]
    async fn importing_twice_replaces_and_keeps_the_ids() {
        let app = empty_app();
        load(&app, DEMO, |_, _| {}).await.expect("good");
        let before = app.store.directory().await.user_by("1").expect("there").id;
        load(&app, DEMO, |_, _| {}).await.expect("good again");
        assert_eq!(
            app.store.directory().await.user_by("1").expect("there").id,
            before
        );
        let directory = app.store.directory().await;
        assert!(
            directory
                .user_named(&UserName::parse("999").expect("a name"))
                .is_some()
        );
        assert!(
            directory
                .device(&DeviceName::parse("P01").expect("a name"))
                .is_some()
        );
    }

    #[tokio::test]
    async fn progress_counts_every_password() {
        let seen = std::cell::RefCell::new(Vec::new());
        let progress = |done, all| seen.borrow_mut().push((done, all));
        load(&empty_app(), DEMO, progress).await.expect("good");
        assert_eq!(*seen.borrow(), [(1, 2), (2, 2)]);
    }

    #[tokio::test]
    async fn a_bad_file_changes_nothing_and_the_place_is_named() {
        for (text, place) in [
            ("{", "not JSON"),
            ("[]", "must be an object"),
            (
                r#"{"roles":[{"name":"a"},{"name":"a/b"}]}"#,
                "roles[1].name must not contain",
            ),
            (
                r#"{"devices":[{"name":"P1","envName":"Shop"}]}"#,
                "devices[0].envName must be BackOffice",
            ),
            (
                r#"{"users":[{"userName":"1","devices":[{"name":""}]}]}"#,
                "users[0].devices[0].name is required",
            ),
            (
                r#"{"users":[{"userName":"1","password":"abc"}]}"#,
                "users[0].password must have at least 4",
            ),
            (
                r#"{"users":[{"userName":"1","passwordHash":"abc"}]}"#,
                "users[0].passwordHash must be",
            ),
            (r#"{"users":[{"userName":"1","USERNAME":"2"}]}"#, "users[0]"),
            (
                r#"{"users":[{"userName":"1","id":"x"}]}"#,
                "users[0].id must be 24 hex digits",
            ),
            (
                r#"{"devices":[{"name":"P1","envName":"PDA"}],"users":[{"userName":"1"},{"userName":"2","devices":[{"name":"P9"}]}]}"#,
                "users[1].devices[0]",
            ),
        ] {
            let app = empty_app();
            let failure = load(&app, text, |_, _| {}).await.expect_err(text);
            assert!(
                failure.message.contains(place),
                "{text}: {}",
                failure.message
            );
            assert_eq!(app.store.directory().await.devices().count(), 0, "{text}");
        }
    }

    #[tokio::test]
    async fn an_empty_file_is_good() {
        assert_eq!(
            loaded("{}").await,
            Ok(Loaded {
                roles: 0,
                devices: 0,
                users: 0
            })
        );
    }

    #[test]
    fn a_private_file_is_replaced_whole_and_only_for_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.json");
        std::fs::write(&path, "old").expect("written");

        write_private(&path, "new").expect("written");

        assert_eq!(std::fs::read_to_string(&path).expect("read"), "new");
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            1
        );
        let nowhere = folder.path().join("no/such/store.json");
        assert!(write_private(&nowhere, "x").is_err());
    }
}
