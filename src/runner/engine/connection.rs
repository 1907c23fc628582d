//! The connection to the engine, made when it is first needed.
//!
//! The client refuses a socket that is not there. A service that starts before its engine (at boot,
//! most days) must not: it takes pushes, and connects when there is something to connect to.

use std::{env, sync::OnceLock};

use bollard::{Docker, errors::Error};

use super::EngineError;

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

pub(super) struct Connection {
    host: String,
    docker: OnceLock<Docker>,
}

impl Connection {
    /// To `host`, else to `DOCKER_HOST`, else to the usual socket. An address that can never work is
    /// an error now; one where nobody listens yet is not.
    pub(super) fn new(host: Option<&str>) -> Result<Self, EngineError> {
        let host = match host {
            Some(host) => host.to_owned(),
            None => env::var("DOCKER_HOST").unwrap_or_else(|_| DEFAULT_HOST.to_owned()),
        };
        let connection = Self { host, docker: OnceLock::new() };
        match connection.docker() {
            Ok(_) | Err(EngineError::Unreachable { .. }) => Ok(connection),
            Err(error) => Err(error),
        }
    }

    pub(super) fn docker(&self) -> Result<&Docker, EngineError> {
        if let Some(docker) = self.docker.get() {
            return Ok(docker);
        }
        match Docker::connect_with_host(&self.host) {
            Ok(docker) => Ok(self.docker.get_or_init(|| docker)),
            Err(Error::SocketNotFoundError(path)) => {
                let message = format!("there is no socket `{path}`; is the engine running?");
                Err(EngineError::Unreachable { doing: "answer", message })
            }
            Err(error) => Err(EngineError::Address { host: self.host.clone(), reason: error.to_string() }),
        }
    }
}
