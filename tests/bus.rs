//! What every bus must hold, whichever way it goes: the same sentences over both backends, and what
//! Redis alone can do wrong.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod common;

use std::time::{Duration, Instant};

use autobuilder::{
    bus::{Bus, Inbox, Link, Message, Update},
    model::BuildId,
};
use common::redis::Redis;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes one test for each backend of what is said once.
macro_rules! on_every_bus {
    ($($(#[$doc:meta])* async fn $name:ident($world:ident: World) $body:block)*) => {
        mod embedded {
            use super::*;
            $($(#[$doc])* #[tokio::test] async fn $name() { let $world = World::embedded(); $body })*
        }
        mod redis {
            use super::*;
            $($(#[$doc])* #[tokio::test] async fn $name() { let $world = World::redis(); $body })*
        }
    };
}

/// One side that publishes, and a way for others to come and read.
struct World {
    bus: Bus,
    redis: Option<Redis>,
}

impl World {
    fn embedded() -> Self {
        Self { bus: Bus::embedded(), redis: None }
    }

    fn redis() -> Self {
        let redis = Redis::start();
        Self { bus: bus(&redis), redis: Some(redis) }
    }

    /// A reader, as another process would be, that is there.
    async fn reader(&self) -> Reader {
        let bus = self.redis.as_ref().map_or_else(|| self.bus.clone(), bus);
        let reader = Reader { inbox: bus.subscribe(), bus };
        reader.there().await;
        reader
    }
}

struct Reader {
    inbox: Inbox,
    bus: Bus,
}

impl Reader {
    async fn there(&self) {
        until(&self.bus, |link| *link == Link::There).await;
    }

    /// Takes what comes until one of them is as wanted; gives all of them.
    async fn until(&self, wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
        let mut all = Vec::new();
        let reading = async {
            while !all.iter().any(&wanted) {
                self.inbox.arrived().await;
                all.extend(self.inbox.take());
            }
        };
        assert!(tokio::time::timeout(PATIENCE, reading).await.is_ok(), "it did not come");
        all
    }
}

fn bus(redis: &Redis) -> Bus {
    Bus::redis(&redis.url().into()).unwrap()
}

async fn until(bus: &Bus, wanted: impl FnMut(&Link) -> bool) {
    tokio::time::timeout(PATIENCE, bus.link().wait_for(wanted)).await.unwrap().unwrap();
}

fn current(n: u64) -> Message {
    Message::Current(format!(r#"{{"n":{n}}}"#).into())
}

fn history(n: u64) -> Message {
    Message::History(format!("[{n}]").into())
}

fn update(offset: u64, text: &str) -> Message {
    let id = "01900000000070008000000000000001".parse::<BuildId>().unwrap();
    Message::Update(Update { id, text: text.into(), offset, end: offset + text.len() as u64 })
}

on_every_bus! {
    async fn what_is_published_arrives_as_it_was(world: World) {
        let reader = world.reader().await;
        let said = [update(3, "\u{1b}[31mé\"\n\0"), history(1), current(1)];
        said.iter().for_each(|message| world.bus.publish(message.clone()));
        let mut all = reader.until(|message| *message == current(1)).await;
        all.sort_by_key(|message| message.topic().name().len());
        for message in said {
            assert!(all.contains(&message), "{message:?} in {all:?}");
        }
    }

    async fn output_arrives_in_its_order_and_every_reader_gets_all_of_it(world: World) {
        let readers = [world.reader().await, world.reader().await];
        for n in 0..1000 {
            world.bus.publish(update(n * 5, &format!("{n:04}\n")));
            // As fast as output is gathered, not as fast as memory.
            if n % 50 == 0 {
                tokio::task::yield_now().await;
            }
        }
        for reader in readers {
            let all = reader.until(|message| *message == update(4995, "0999\n")).await;
            let all: Vec<_> = all.iter().filter(|message| matches!(message, Message::Update(_))).cloned().collect();
            let expected: Vec<_> = (0..1000).map(|n| update(n * 5, &format!("{n:04}\n"))).collect();
            assert_eq!(all, expected);
        }
    }

    async fn a_reader_that_comes_late_gets_the_newest_pictures(world: World) {
        for n in 1..=20 {
            world.bus.publish(history(n));
            world.bus.publish(current(n));
        }
        world.bus.flushed().await;
        let all = world.reader().await.until(|message| *message == current(20)).await;
        assert_eq!(all, [history(20), current(20)]);
    }

    async fn a_picture_that_is_only_kept_is_for_readers_to_come(world: World) {
        let early = world.reader().await;
        world.bus.publish(current(1));
        early.until(|message| *message == current(1)).await;
        world.bus.keep(current(2));
        // Over Redis it is there a moment later.
        let late = loop {
            let late = world.reader().await.until(|message| matches!(message, Message::Current(_))).await;
            if late.contains(&current(2)) {
                break late;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(late, [current(2)]);
        world.bus.publish(history(3));
        assert_eq!(early.until(|message| *message == history(3)).await, [history(3)]);
    }

    async fn a_reader_that_does_not_read_costs_a_bounded_memory(world: World) {
        let idle = world.reader().await;
        let text = "x".repeat(100_000);
        for n in 0..1000 {
            world.bus.publish(update(n * 100_000, &text));
            world.bus.publish(current(n));
        }
        // Who did not read for so long has the newest, and not all of it.
        let all = idle.until(|message| *message == current(999)).await;
        let bytes: usize = all.iter().map(|message| message.payload().len()).sum();
        assert!(bytes < 3 << 20, "{bytes}");
    }

    async fn a_reader_that_left_costs_nothing(world: World) {
        drop(world.reader().await);
        world.bus.publish(current(1));
        world.bus.flushed().await;
        assert_eq!(world.reader().await.until(|message| *message == current(1)).await, [current(1)]);
    }
}

#[tokio::test]
async fn redis_that_was_never_there_holds_up_nobody_and_is_found_when_it_comes() {
    let mut redis = Redis::away();
    let bus = bus(&redis);
    bus.publish(current(1));
    until(&bus, |link| link.trouble().is_some_and(|why| why.contains("does not answer"))).await;
    let reader = Reader { inbox: bus.subscribe(), bus: bus.clone() };
    redis.go_on();
    reader.there().await;
    assert!(reader.until(|message| *message == current(1)).await.contains(&current(1)));
}

#[tokio::test]
async fn after_redis_was_restarted_everybody_gets_the_newest_pictures() {
    let mut redis = Redis::start();
    let writer = bus(&redis);
    let reader = bus(&redis);
    let reader = Reader { inbox: reader.subscribe(), bus: reader };
    reader.there().await;
    writer.publish(current(1));
    reader.until(|message| *message == current(1)).await;
    redis.stop();
    until(&writer, |link| *link != Link::There).await;
    until(&reader.bus, |link| *link != Link::There).await;
    writer.publish(history(2));
    writer.publish(current(2));
    redis.go_on();
    let all = reader.until(|message| *message == current(2)).await;
    assert!(all.contains(&history(2)), "{all:?}");
    assert_eq!(redis.ask(&["GET", "autobuilder-history"]), "[2]");
}

#[tokio::test]
async fn redis_that_swallows_everything_is_noticed_and_left_until_it_answers() {
    let redis = Redis::start();
    let writer = bus(&redis);
    let reader = bus(&redis);
    let reader = Reader { inbox: reader.subscribe(), bus: reader };
    reader.there().await;
    writer.publish(current(1));
    reader.until(|message| *message == current(1)).await;
    redis.freeze();
    for n in 0..1000 {
        writer.publish(update(n, "x"));
        writer.publish(current(2));
    }
    until(&writer, |link| *link != Link::There).await;
    until(&reader.bus, |link| *link != Link::There).await;
    redis.thaw();
    reader.until(|message| *message == current(2)).await;
}

#[tokio::test]
async fn what_somebody_deleted_is_put_back() {
    let redis = Redis::start();
    let writer = bus(&redis);
    writer.publish(current(1));
    writer.flushed().await;
    assert_eq!(redis.ask(&["FLUSHALL"]), "OK");
    let since = Instant::now();
    while redis.ask(&["GET", "autobuilder-current"]) != r#"{"n":1}"# {
        assert!(since.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_strangers_publish_is_passed_over() {
    let redis = Redis::start();
    let reader = bus(&redis);
    let reader = Reader { inbox: reader.subscribe(), bus: reader };
    reader.there().await;
    for wrong in ["", "<script>", "{\"id\":1}", "{\"id\":\"../../etc/passwd\",\"line\":\"\",\"offset\":0,\"end\":0}"] {
        assert_eq!(redis.ask(&["PUBLISH", "autobuilder-update", wrong]), "1");
    }
    redis.ask(&["PUBLISH", "autobuilder-current", "{}"]);
    let all = reader.until(|message| matches!(message, Message::Current(_))).await;
    assert_eq!(all, [Message::Current("{}".into())]);
}

#[tokio::test]
async fn a_wrong_password_is_said_without_the_password() {
    let redis = Redis::with_password("hunter2-right");
    let right = bus(&redis);
    right.publish(current(1));
    right.flushed().await;
    assert_eq!(*right.link().borrow(), Link::There);
    let wrong = Bus::redis(&redis.url().replace("right", "wrong").into()).unwrap();
    wrong.publish(current(1));
    let mut said = String::new();
    until(&wrong, |link| {
        said = link.trouble().unwrap_or("").to_owned();
        said.contains("does not answer")
    })
    .await;
    assert!(said.contains(&redis.address()), "{said}");
    assert!(!format!("{said}{wrong:?}").contains("hunter2"), "{said} {wrong:?}");
}

#[tokio::test]
async fn a_reader_knows_when_nobody_publishes_any_more_and_when_somebody_does_again() {
    let redis = Redis::start();
    let writer = bus(&redis);
    writer.publish(current(1));
    let reader = bus(&redis);
    let reader = Reader { inbox: reader.subscribe(), bus: reader };
    reader.until(|message| *message == current(1)).await;
    reader.there().await;
    drop(writer);
    until(&reader.bus, |link| matches!(link, Link::Deserted { .. })).await;
    let again = bus(&redis);
    again.publish(current(2));
    reader.until(|message| *message == current(2)).await;
    reader.there().await;
    // Readers as 0-autobuilder had them find what they know, and nothing else that they would read.
    assert_eq!(redis.ask(&["PUBSUB", "CHANNELS"]).lines().count(), 3);
}
