//! The side of the socket that `list`, `usage`, `stop` and the like have.

use std::{io, path::Path, time::Duration};

use anyhow::{bail, Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use super::{socket, Answer, Request, MAX_ANSWER};

/// Time that one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the running `submit` of a data folder; nothing where none runs.
pub(crate) async fn ask(data_dir: &Path, request: &Request) -> Result<Option<Answer>> {
    let path = socket(data_dir);
    let asked = timeout(PATIENCE, exchange(&path, request)).await;
    let answer = match asked {
        Ok(answer) => answer.with_context(|| format!("cannot ask at {}", path.display()))?,
        Err(_) => bail!("the running submit does not answer at {}", path.display()),
    };
    match answer {
        Some(Answer { error: Some(error), .. }) => bail!(error),
        other => Ok(other),
    }
}

/// Whether an order runs in a data folder.
pub(crate) async fn runs(data_dir: &Path) -> bool {
    UnixStream::connect(socket(data_dir)).await.is_ok()
}

async fn exchange(path: &Path, request: &Request) -> Result<Option<Answer>> {
    let mut server = match UnixStream::connect(path).await {
        Ok(server) => server,
        Err(e)
            if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        Err(e) => return Err(e.into()),
    };
    let mut bytes = serde_json::to_vec(request)?;
    bytes.push(b'\n');
    server.write_all(&bytes).await?;
    let mut answer = Vec::new();
    server.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    Ok(Some(serde_json::from_slice(&answer).context("the answer is no JSON")?))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

    use tokio::io::AsyncReadExt;
    use zennet_primitives::AccountId;

    use super::*;
    use crate::{
        control::{registry::Registry, server::serve, Verb, MAX_REQUEST},
        store::Store,
    };

    fn list() -> Request {
        Request { verb: Verb::List, machine: None, provider: None }
    }

    #[tokio::test]
    async fn a_running_submit_answers_and_one_that_is_gone_does_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ask(dir.path(), &list()).await.unwrap(), None);
        let store = Store::open(dir.path()).unwrap();
        let registry = Registry::new(store, Arc::new(|_: &AccountId| String::new()));
        let server = serve(&socket(dir.path()), registry).unwrap();
        let mode = fs::metadata(socket(dir.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(runs(dir.path()).await);
        assert_eq!(ask(dir.path(), &list()).await.unwrap(), Some(Answer::default()));
        let named = Request { machine: Some("zn-1".into()), ..list() };
        assert!(ask(dir.path(), &named).await.unwrap_err().to_string().contains("zn-1"));
        drop(server);
        assert_eq!(ask(dir.path(), &list()).await.unwrap(), None);
        assert!(!runs(dir.path()).await);
    }

    #[tokio::test]
    async fn a_request_without_an_end_is_answered_with_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let registry = Registry::new(store, Arc::new(|_: &AccountId| String::new()));
        let _server = serve(&socket(dir.path()), registry).unwrap();
        let mut client = UnixStream::connect(socket(dir.path())).await.unwrap();
        client.write_all(&[b'x'; MAX_REQUEST as usize]).await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert!(text.contains("bad request"), "{text}");
    }
}
