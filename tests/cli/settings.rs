//! Configuration as the operator meets it: `config`, the environment, and why `serve` refuses.

use super::program::{Ended, Program};

const SECRET: &str = "hunter2-and-more";

fn configured(more: &str) -> Program {
    let text = format!("[catalog]\nrepository = 'acme/builds'\n[webhook]\nsecret = '{SECRET}'\n{more}");
    Program::new().with("config.toml", &text)
}

#[track_caller]
fn refused(ended: &Ended, sentence: &str) {
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains(sentence), "no `{sentence}` in {}", ended.stderr);
    assert!(!ended.stderr.contains(SECRET), "{}", ended.stderr);
}

/// The line of `config` for a key.
#[track_caller]
fn line(ended: &Ended, section: &str, key: &str) -> String {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut lines = ended.stdout.lines().skip_while(|line| *line != format!("[{section}]"));
    let found = lines.find(|line| line.starts_with(&format!("{key} = ")));
    found.unwrap_or_else(|| panic!("no {section}.{key} in\n{}", ended.stdout)).to_owned()
}

#[test]
fn config_shows_each_value_with_its_source() {
    let ended = configured("[build]\nparallel = 7\n")
        .set("AUTOBUILDER_BUILD_TIMEOUT", "10m")
        .set("TMP_DIRECTORY", "/somewhere")
        .set("DOCKER_HOST", "unix:///run/engine.sock")
        .run(&["config"]);
    let of = |section, key| line(&ended, section, key);
    assert!(of("build", "parallel").starts_with("parallel = 7 ") && of("build", "parallel").ends_with("# file"));
    assert!(of("build", "timeout").contains("\"10m\"") && of("build", "timeout").contains("AUTOBUILDER_BUILD_TIMEOUT"));
    assert!(
        of("build", "tmp_directory").contains("/somewhere") && of("build", "tmp_directory").contains("TMP_DIRECTORY")
    );
    assert!(of("docker", "host").contains("engine.sock") && of("docker", "host").contains("DOCKER_HOST"));
    assert!(of("server", "listen").contains("127.0.0.1:5560") && of("server", "listen").ends_with("# default"));
}

#[test]
fn config_shows_directories_as_the_service_will_use_them() {
    let program = configured("");
    let data = program.path().canonicalize().unwrap().join("data").display().to_string();
    let shown = line(&program.run(&["config"]), "store", "directory");
    assert!(shown.contains(&data) && shown.ends_with("# default"), "{shown}");
}

#[test]
fn config_hides_every_secret_wherever_it_came_from() {
    let more =
        "[[grant]]\nrepository = 'acme/tool'\nsecrets = { KEY = 'grantedvalue' }\n[github]\ntoken_file = 'token'\n";
    let ended =
        configured(more).with("token", "tokenvalue\n").set("AUTOBUILDER_SERVER_API_TOKEN", "apivalue").run(&["config"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for secret in [SECRET, "grantedvalue", "tokenvalue", "apivalue"] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{secret} in\n{}", ended.stdout);
    }
    assert!(line(&ended, "github", "token").contains("(hidden)"));
    assert!(line(&ended, "github", "token").ends_with("# file token"));
    assert!(ended.stdout.contains("KEY = \"(hidden)\""));
}

#[test]
fn our_own_variable_wins_over_the_one_shared_with_other_programs() {
    let program = configured("").set("AUTOBUILDER_BUILD_TMP_DIRECTORY", "/ours").set("TMP_DIRECTORY", "/shared");
    assert!(line(&program.run(&["config"]), "build", "tmp_directory").contains("/ours"));
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let program = Program::new().with("config.toml", "[server]\nlistne = \"127.0.0.1:1\"\n");
    for command in ["config", "serve"] {
        let ended = program.run(&[command]);
        refused(&ended, "line 2");
        refused(&ended, "listne");
    }
}

#[test]
fn an_unknown_variable_is_named() {
    refused(&configured("").set("AUTOBUILDER_BUILD_PARALEL", "2").run(&["config"]), "AUTOBUILDER_BUILD_PARALEL");
    refused(&configured("").set("AUTOBUILDER_BUILD_PARALLEL", "two").run(&["config"]), "not a whole number");
}

#[test]
fn a_file_that_is_named_and_not_there_is_an_error() {
    refused(&Program::new().run(&["config", "--config", "missing.toml"]), "missing.toml");
    refused(&Program::new().set("AUTOBUILDER_CONFIG", "missing.toml").run(&["config"]), "missing.toml");
}

#[test]
fn serve_refuses_to_start_without_a_secret() {
    let program = Program::new().with("config.toml", "[catalog]\nrepository = 'acme/builds'\n");
    let ended = program.run(&["serve"]);
    refused(&ended, "`webhook.secret` is not set, so anybody could start builds");
    refused(&ended, "webhook.allow_unsigned = true");
    assert!(!program.path().join("data").exists(), "nothing is made before the configuration is good");
}

#[test]
fn serve_refuses_to_start_without_a_configuration_repository() {
    refused(
        &Program::new().set("AUTOBUILDER_WEBHOOK_SECRET", SECRET).run(&["serve"]),
        "`catalog.repository` is not set",
    );
    let ended = configured("").set("AUTOBUILDER_CATALOG_REPOSITORY", "builds").run(&["serve"]);
    refused(&ended, "`catalog.repository`");
}

#[test]
fn serve_says_which_address_is_taken_and_what_to_set() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = configured(&format!("[server]\nlisten = '{address}'\n")).run(&["serve"]);
    refused(&ended, &format!("could not listen on {address}"));
    refused(&ended, "set `server.listen`");
}
