use std::io::Write;

use secrecy::ExposeSecret;

use super::*;

fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(file.path()), environment)
}

#[test]
fn an_unknown_key_is_an_error_that_points_at_it() {
    let error = read("[server]\nlisten = \"127.0.0.1:1\"\nlistne = 3\n", &[]).unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("listne"), "{error}");
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = read(
        "[build]\nparallel = 3\ntmp_directory = '/a'\n",
        &[("AUTOBUILDER_BUILD_PARALLEL", "7"), ("TMP_DIRECTORY", "/b"), ("AUTOBUILDER_BUILD_CPUS", "2"), ("HOME", "/")],
    )
    .unwrap();
    assert_eq!((config.build.parallel, config.build.cpus), (7, 2.0));
    assert_eq!(config.build.tmp_directory, Path::new("/b"));
    assert_eq!(config.sources["build.parallel"], Source::Environment("AUTOBUILDER_BUILD_PARALLEL".into()));
}

#[test]
fn directories_are_absolute_because_the_engine_mounts_them() {
    let config = read("[build]\ntmp_directory = 'tmp'\n[hub]\ndirectory = '/srv/hub'\n", &[]).unwrap();
    let here = std::env::current_dir().unwrap();
    assert_eq!(config.build.tmp_directory, here.join("tmp"));
    assert_eq!(config.store.directory, here.join("data"));
    assert_eq!(config.hub.directory, Path::new("/srv/hub"));
    assert_eq!(config.binary.directory, Path::new(""));
}

#[test]
fn a_variable_for_no_key_is_an_error() {
    let error = read("", &[("AUTOBUILDER_BUILD_PARALEL", "7")]).unwrap_err().to_string();
    assert!(error.contains("paralel"), "{error}");
    assert!(read("", &[("AUTOBUILDER_BUILD_PARALLEL", "many")]).is_err());
}

#[test]
fn a_secret_comes_from_its_file_and_is_never_shown() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "hunter2\nhunter3").unwrap();
    let text = format!("[webhook]\nsecret_file = '{}'\n", file.path().display());
    let config = read(&text, &[("AUTOBUILDER_GITHUB_TOKEN", "123456")]).unwrap();
    assert_eq!(config.webhook.secret.all().len(), 2);
    assert_eq!(config.github.token.get().unwrap().expose_secret(), "123456");
    let shown = format!("{}{config:?}", config.show());
    assert!(!shown.contains("hunter") && !shown.contains("123456"), "{shown}");
    assert!(shown.contains("(hidden)"));
}

#[test]
fn without_a_secret_or_a_catalog_serve_refuses() {
    assert!(read("[catalog]\nrepository = 'acme/builds'\n", &[]).unwrap().check().is_err());
    assert!(read("[webhook]\nsecret = 'x'\n", &[]).unwrap().check().is_err());
    assert!(read("[catalog]\nrepository = 'acme/builds'\n[webhook]\nsecret = 'x'\n", &[]).unwrap().check().is_ok());
}
