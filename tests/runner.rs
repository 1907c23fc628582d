//! The runner with the real engine: how a build ends, what is kept of it, what is left behind.
#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "runner/world.rs"]
mod world;

use std::time::Duration;

use autobuilder::{
    model::{Cause, Network, Outcome, Stage},
    runner::{End, Job, RunError, Signals},
};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};
use world::World;

fn failure(end: End) -> RunError {
    match end {
        End::Failed(error) => error,
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn an_artifact_is_published_with_its_hash_and_the_script_sees_its_environment() {
    World::test(async |world| {
        let job = world.job("echo \"$TAG $REPOSITORY $REF $CI $EXTRA\"; pwd; cat hello; echo built >/target/tool");
        let End::Published(artifact) = world.run(&job).await else { panic!("{}", world.log(&job)) };
        assert_eq!((artifact.size, artifact.sha256), (6, hex(b"built\n")));
        let tag = format!("feature/x-{}", job.build.commit.short());
        assert_eq!(
            world.log(&job),
            format!("{tag} acme/tool refs/heads/feature/x true ****\n/tool\nfrom the source\n"),
            "the secret is in the environment, and stars in the log"
        );
        let stages = [Stage::Creating, Stage::Preparing, Stage::Initializing, Stage::Building, Stage::Uploading];
        assert_eq!(world.stages(&job), stages);
        assert_eq!(world.output(&job), world.log(&job).into_bytes());
    })
    .await;
}

#[tokio::test]
async fn an_exit_code_passes_through_even_with_an_artifact() {
    World::test(async |world| {
        let error = failure(world.build("echo x >/target/tool; exit 3").await);
        assert_eq!((error.cause(), error.outcome(), error.exit_code()), (Cause::ExitCode, Outcome::Failure, Some(3)));
        assert!(!error.is_retryable());
        let error = failure(world.build("kill -SEGV $$").await);
        assert!(error.to_string().ends_with("exit code 139 (signal 11, SIGSEGV)"), "{error}");
        assert!(world.published().is_empty());
    })
    .await;
}

#[tokio::test]
async fn output_is_kept_in_order_and_exactly() {
    World::test(async |world| {
        let job = world.job("for i in $(seq 5000); do echo out $i; echo err $i >&2; done; echo >/target/tool");
        world.run(&job).await;
        let expected: String = (1..=5000).map(|i| format!("out {i}\nerr {i}\n")).collect();
        assert_eq!(hex(&world.log_bytes(&job)), hex(expected.as_bytes()));

        let job =
            world.job("cat odd; head -c 10485760 /dev/zero | tr '\\0' x; printf '\\377\\000end'; echo >/target/tool");
        let odd: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        world.add_source("odd", &odd);
        world.run(&job).await;
        let mut expected = odd;
        expected.extend(vec![b'x'; 10 << 20]);
        expected.extend(b"\xff\0end");
        assert_eq!(hex(&world.log_bytes(&job)), hex(&expected));
    })
    .await;
}

#[tokio::test]
async fn a_symlink_is_no_artifact_and_a_missing_one_is_named() {
    World::test(async |world| {
        let error = failure(world.build("ln -s /etc/passwd /target/tool").await);
        assert_eq!(error.cause(), Cause::BadArtifact);
        assert!(error.to_string().contains("is a symbolic link"), "{error}");
        let error = failure(world.build("echo >/target/toool").await);
        assert_eq!(error.cause(), Cause::MissingArtifact);
        assert!(error.to_string().contains("there is `toool`"), "{error}");
        assert!(world.published().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_missing_script_shell_or_image_is_the_recipes_fault() {
    World::test(async |world| {
        let mut job = world.job("true");
        job.build.recipe.script = "none.sh".parse().unwrap();
        let error = failure(world.run(&job).await);
        assert_eq!(error.cause(), Cause::MissingScript);
        assert!(error.to_string().contains("`none.sh` at commit 0123456789"), "{error}");

        let mut job = world.job("true");
        job.build.recipe.baseimage = world.image_without_shell().await.as_str().into();
        let error = failure(world.run(&job).await);
        assert_eq!((error.cause(), error.outcome()), (Cause::BaseImage, Outcome::Failure), "{error}");

        let mut job = world.job("true");
        job.build.recipe.baseimage = "Not An Image".into();
        assert_eq!(failure(world.run(&job).await).cause(), Cause::BaseImage);
    })
    .await;
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_is_our_fault() {
    World::test(async |world| {
        let mut job = world.job("true");
        job.build.recipe.baseimage = "127.0.0.1:9/none:x".into();
        let error = failure(world.run(&job).await);
        assert_eq!(
            (error.cause(), error.outcome(), error.is_retryable()),
            (Cause::Pull, Outcome::Error, true),
            "{error}"
        );
    })
    .await;
}

#[tokio::test]
async fn lack_of_memory_is_told_from_a_bad_exit() {
    World::test(async |world| {
        let mut job = world.job("tail /dev/zero; exit 9");
        job.build.recipe.limits.memory = "24m".parse().unwrap();
        let error = failure(world.run(&job).await);
        assert_eq!((error.cause(), error.exit_code()), (Cause::OutOfMemory, Some(9)));
        assert!(error.to_string().contains("24m"), "{error}");

        let mut job = world.job("tail /dev/zero; echo >/target/tool");
        job.build.recipe.limits.memory = "24m".parse().unwrap();
        assert!(matches!(world.run(&job).await, End::Published(_)));
        assert!(world.log(&job).contains("[autobuilder] a process was killed"), "{}", world.log(&job));
    })
    .await;
}

#[tokio::test]
async fn a_script_that_ignores_the_end_of_its_time_is_killed() {
    World::test(async |world| {
        let mut job = world.job("trap '' TERM; while :; do sleep 0.1; done");
        job.build.recipe.limits.timeout = "500ms".parse().unwrap();
        let began = Instant::now();
        let error = failure(world.run(&job).await);
        assert_eq!((error.cause(), error.outcome(), error.is_retryable()), (Cause::Timeout, Outcome::Error, false));
        assert!((10..14).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_silent_script_is_ended_and_a_talking_one_is_not() {
    World::test(async |world| {
        let mut job = world.job("echo a; sleep 100");
        job.build.recipe.limits.stall_timeout = "400ms".parse().unwrap();
        assert_eq!(failure(world.run(&job).await).cause(), Cause::Stall);
        let mut job = world.job("for i in 1 2 3 4 5; do echo $i; sleep 0.2; done; echo >/target/tool");
        job.build.recipe.limits.stall_timeout = "800ms".parse().unwrap();
        assert!(matches!(world.run(&job).await, End::Published(_)));
    })
    .await;
}

#[tokio::test]
async fn a_flood_is_cut_at_the_log_limit() {
    World::test(async |world| {
        let mut job = world.job("yes 0123456");
        job.build.recipe.limits.log_limit = "1m".parse().unwrap();
        assert_eq!(failure(world.run(&job).await).cause(), Cause::LogLimit);
        let log = world.log(&job);
        assert!(log[..1 << 20].bytes().eq(b"0123456\n".iter().copied().cycle().take(1 << 20)));
        assert!(log[1 << 20..].starts_with("\n[autobuilder] the log limit of 1m is reached"));
        assert!(log.len() < (1 << 20) + 200);
    })
    .await;
}

#[tokio::test]
async fn no_process_outlives_its_script() {
    World::test(async |world| {
        let began = Instant::now();
        let job = world.job("(sleep 1000; echo late >/target/tool) & setsid sleep 1001 & echo >/target/tool");
        assert!(matches!(world.run(&job).await, End::Published(_)));
        assert!(began.elapsed() < Duration::from_secs(8));
        assert_eq!(world::processes(&job), 0);
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_script_may_tidy_up() {
    World::test(async |world| {
        let job = world.job("trap 'echo tidied; exit 0' TERM; echo ready; sleep 1000 & wait");
        let signals = Signals::default();
        let cancel = async {
            world.until_log_has(&job, "ready").await;
            signals.cancel.cancel();
        };
        let (end, ()) = tokio::join!(world.run_with(&job, &signals), cancel);
        let error = failure(end);
        assert_eq!((error.cause(), error.outcome()), (Cause::Cancelled, Outcome::Cancelled));
        assert_eq!(world.log(&job), "ready\ntidied\n");
    })
    .await;
}

#[tokio::test]
async fn an_artifact_without_end_neither_outlasts_a_cancellation_nor_keeps_the_service_nor_exceeds_the_timeout() {
    World::test(async |world| {
        // Four terabytes that take no space, and days to read.
        let script = "dd if=/dev/zero of=/target/tool bs=1 count=1 seek=4096G 2>/dev/null; echo left";
        let stopped = async |stop: &dyn Fn(&Signals)| {
            let (job, signals) = (world.job(script), Signals::default());
            let uploading = async {
                world.until_stage(&job, Stage::Uploading).await;
                stop(&signals);
            };
            let (end, ()) = tokio::join!(world.run_with(&job, &signals), uploading);
            (job, end)
        };
        let (_, cancelled) = stopped(&|signals| signals.cancel.cancel()).await;
        assert_eq!(failure(cancelled).outcome(), Outcome::Cancelled);

        let (mut job, left) = stopped(&|signals| signals.leave.cancel()).await;
        assert!(matches!(left, End::Detached));

        job.build.recipe.limits.timeout = "2s".parse().unwrap();
        let error = failure(world.runner.adopt(&job, Stage::Uploading, &Signals::default()).await);
        assert_eq!((error.outcome(), error.is_retryable()), (Outcome::Error, false));
        assert!(error.to_string().contains("could not be read within 2s"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_build_goes_on_without_its_runner_and_is_taken_up_with_the_next_byte() {
    World::test(async |world| {
        let script = "for i in $(seq 400); do echo line $i; sleep 0.01; done; echo >/target/tool; exit 7";
        let job = world.job(script);
        let signals = Signals::default();
        let leave = async {
            world.until_log_has(&job, "line 50\n").await;
            signals.leave.cancel();
        };
        let (end, ()) = tokio::join!(world.run_with(&job, &signals), leave);
        assert!(matches!(end, End::Detached));
        assert!(world.container_runs(&job).await);

        // The second owner is dropped in the middle, like a process that is killed.
        let second = world.another_runner().await;
        let forever = Signals::default();
        let lost = second.adopt(&job, Stage::Building, &forever);
        tokio::select! {
            _ = lost => panic!("the build ended too early"),
            () = world.until_log_has(&job, "line 120\n") => {}
        }
        drop(second);

        let third = world.another_runner().await;
        let error = failure(third.adopt(&job, Stage::Building, &Signals::default()).await);
        assert_eq!(error.exit_code(), Some(7));
        let expected: String = (1..=400).map(|i| format!("line {i}\n")).collect();
        assert_eq!(world.log(&job), expected);
    })
    .await;
}

#[tokio::test]
async fn a_build_that_ended_while_nobody_watched_is_still_published() {
    World::test(async |world| {
        let job = world.job("echo start; sleep 0.7; echo end; echo >/target/tool");
        let signals = Signals::default();
        let leave = async {
            world.until_log_has(&job, "start").await;
            signals.leave.cancel();
        };
        let (_, ()) = tokio::join!(world.run_with(&job, &signals), leave);
        while world.container_runs(&job).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let runner = world.another_runner().await;
        assert!(matches!(runner.adopt(&job, Stage::Building, &Signals::default()).await, End::Published(_)));
        assert_eq!(world.log(&job), "start\nend\n");
    })
    .await;
}

#[tokio::test]
async fn a_container_killed_or_removed_from_outside_is_our_fault() {
    World::test(async |world| {
        for command in ["kill", "rm -f"] {
            let job = world.job("echo ready; sleep 1000");
            let outsider = async {
                world.until_log_has(&job, "ready").await;
                world.docker(&format!("{command} {}", world.container(&job)));
            };
            let (end, ()) = tokio::join!(world.run(&job), outsider);
            let error = failure(end);
            assert_eq!((error.cause(), error.is_retryable()), (Cause::Engine, true), "{command}: {error}");
        }
        let job = world.job("true");
        let end = world.runner.adopt(&job, Stage::Building, &Signals::default()).await;
        assert!(matches!(failure(end), RunError::Vanished));
        let end = world.runner.adopt(&world.job("echo >/target/tool"), Stage::Preparing, &Signals::default()).await;
        assert!(matches!(end, End::Published(_)), "what never began begins anew");
    })
    .await;
}

#[tokio::test]
async fn a_container_that_was_ordered_by_a_dead_service_makes_room_and_a_foreign_one_does_not() {
    World::test(async |world| {
        let job = world.job("echo >/target/tool");
        let label = format!("autobuilder.instance={}", world.instance);
        world.docker(&format!("create --name {} --label {label} {} true", world.container(&job), world.image));
        assert!(matches!(world.run(&job).await, End::Published(_)));

        let job = world.job("echo >/target/tool");
        let foreign = world.docker(&format!("create --name {} {} true", world.container(&job), world.image));
        let error = failure(world.run(&job).await);
        assert!(error.to_string().contains("is already in use"), "{error}");
        assert_eq!(world.docker(&format!("ps -aq --no-trunc --filter id={foreign}")), foreign);
        world.docker(&format!("rm {foreign}"));
    })
    .await;
}

#[tokio::test]
async fn builds_do_not_reach_one_another() {
    World::test(async |world| {
        let server = world.job("ip addr show eth0 | sed -n 's/.*inet \\([0-9.]*\\).*/at \\1/p'; nc -l -p 8000; true");
        let stop = Signals::default();
        let attack = async {
            world.until_log_has(&server, "at ").await;
            let log = world.log(&server);
            let address = log.trim().trim_start_matches("at ");
            let client = world.job(&format!("echo x | nc -w 1 {address} 8000 && exit 1; echo >/target/tool"));
            assert!(matches!(world.run(&client).await, End::Published(_)), "{}", world.log(&client));
            stop.cancel.cancel();
        };
        tokio::join!(world.run_with(&server, &stop), attack);
    })
    .await;
}

#[tokio::test]
async fn what_a_dead_service_left_is_swept_and_nothing_else() {
    World::test(async |world| {
        let (dead, live): (Job, Job) = (world.job("sleep 1000"), world.job("echo ready; sleep 1000"));
        for job in [&dead, &live] {
            let signals = Signals::default();
            let running = world.run_with(job, &signals);
            tokio::select! { _ = running => panic!("ended"), () = world.until_running(job) => {} }
        }
        let foreign = world.docker(&format!("create {} true", world.image));
        world.runner.sweep(|attempt| attempt == Some((live.build.id, 1))).await.unwrap();
        assert!(!world.container_runs(&dead).await);
        assert!(world.container_runs(&live).await);
        assert_eq!(world.directories(), [format!("{}-1", live.build.id)]);
        world.docker(&format!("rm {foreign}"));
    })
    .await;
}

#[tokio::test]
async fn the_probe_tells_whether_containers_see_the_temporary_directory() {
    World::test(async |world| {
        assert!(world.runner.probe_tmp_directory(&world.image).await.unwrap());
        assert!(!world.runner.probe_tmp_directory("none-of-that-name:x").await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_network_less_build_has_none() {
    World::test(async |world| {
        let mut job = world.job("ls /sys/class/net >/target/tool; [ \"$(cat /target/tool)\" = lo ]");
        job.build.recipe.network = Network::None;
        assert!(matches!(timeout(Duration::from_secs(20), world.run(&job)).await.unwrap(), End::Published(_)));
    })
    .await;
}
