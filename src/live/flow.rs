//! How much of one build's output viewers are sent.
//!
//! A build that prints as people read is passed on whole. One that floods would cost each viewer, and
//! with a thousand of them the machine that builds, more than a screen can show: it is skipped forward
//! to its newest lines a few times a second until it calms down. Offsets show the gap, and the log has
//! what lies in it.

use std::time::Duration;

use tokio::time::Instant;

use crate::bus::Update;

/// Bytes a second over all viewers and all builds.
const ALL: f64 = 16.0 * 1024.0 * 1024.0;

/// The most for one viewer, in bytes a second.
const ONE: f64 = 2.0 * 1024.0 * 1024.0;

/// A burst may use up what so many seconds would bring.
const BURST: f64 = 0.5;

/// The least that a burst may have, so that a compiler's errors come whole.
const LEAST: f64 = 16.0 * 1024.0;

/// How often the newest lines of a flood are shown.
const GLANCE: Duration = Duration::from_millis(250);

/// Bytes of a flood that are shown at once.
const SHOWN: f64 = 8.0 * 1024.0;
const SHOWN_LEAST: f64 = 2.0 * 1024.0;

/// What one viewer may be sent of one build, in bytes a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share(f64);

impl Share {
    /// Of so many viewers and builds that print.
    pub(super) fn of(viewers: usize, builds: usize) -> Self {
        let parts = (viewers.max(1) * builds.max(1)) as f64;
        Self((ALL / parts).min(ONE))
    }

    fn burst(self) -> f64 {
        (self.0 * BURST).max(LEAST)
    }

    fn glance(self) -> usize {
        (self.0 * GLANCE.as_secs_f64()).clamp(SHOWN_LEAST, SHOWN) as usize
    }
}

/// One build's output, on its way to viewers.
#[derive(Debug)]
pub(super) struct Flow {
    /// Bytes that may pass now.
    credit: f64,
    at: Instant,
    /// The newest lines of a flood, and when they are shown.
    held: Option<(Update, Instant)>,
}

impl Flow {
    /// With everything still to spend.
    pub(super) fn new(now: Instant) -> Self {
        Self { credit: f64::INFINITY, at: now, held: None }
    }

    /// Takes what came; gives what may pass at once.
    pub(super) fn push(&mut self, update: Update, share: Share, now: Instant) -> Option<Update> {
        let earned = now.duration_since(self.at).as_secs_f64() * share.0;
        self.credit = (self.credit + earned).min(share.burst());
        self.at = now;
        let length = update.text.len() as f64;
        if self.held.is_none() && length <= self.credit {
            self.credit -= length;
            return Some(update);
        }
        // Nothing is earned while it floods: it must become calm before it is passed on whole again.
        self.credit = 0.0;
        let (newest, due) = match self.held.take() {
            Some((held, due)) => (joined(held, update), due),
            None => (update, now + GLANCE),
        };
        self.held = Some((newest_of(newest, share.glance()), due));
        None
    }

    /// When there is something to show, if nothing comes.
    pub(super) fn due(&self) -> Option<Instant> {
        self.held.as_ref().map(|(_, due)| *due)
    }

    /// Gives what was held back, if it is time.
    pub(super) fn release(&mut self, now: Instant) -> Option<Update> {
        self.held.take_if(|(_, due)| *due <= now).map(|(update, _)| update)
    }

    /// Gives what was held back, whether it is time or not.
    pub(super) fn finish(&mut self) -> Option<Update> {
        self.held.take().map(|(update, _)| update)
    }

    /// Whether it can be forgotten: nothing waits, and it was calm for a while.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.held.is_none() && now.duration_since(self.at) > Duration::from_secs(1)
    }
}

/// Both in one; only the later one, if something between them is missing.
fn joined(mut held: Update, later: Update) -> Update {
    if held.end != later.offset {
        return later;
    }
    held.text.push_str(&later.text);
    held.end = later.end;
    held
}

/// The end of it, from the beginning of a line if there is one. Where bytes were replaced nobody can
/// say which byte a character stands for, so nothing is left of it but the place.
fn newest_of(mut update: Update, most: usize) -> Update {
    if update.text.len() <= most {
        return update;
    }
    if update.text.len() as u64 != update.end - update.offset {
        return Update { text: String::new(), offset: update.end, ..update };
    }
    let cut = update.text.ceil_char_boundary(update.text.len() - most);
    let line = update.text[cut..].find('\n').map_or(cut, |newline| cut + newline + 1);
    let start = if line < update.text.len() { line } else { cut };
    update.text.drain(..start);
    update.offset += start as u64;
    update
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BuildId;

    fn update(offset: u64, text: &str) -> Update {
        Update { id: BuildId::new(), text: text.into(), offset, end: offset + text.len() as u64 }
    }

    const TICK: Duration = Duration::from_millis(100);

    #[test]
    fn what_is_moderate_passes_whole() {
        let (mut flow, share, mut now) = (Flow::new(Instant::now()), Share::of(1000, 1), Instant::now());
        // A hundred lines a second, to a thousand viewers.
        let text = format!("{}\n", "x".repeat(79)).repeat(10);
        for n in 0..1000 {
            now += TICK;
            let sent = flow.push(update(n * 800, &text), share, now);
            assert_eq!(sent.map(|sent| sent.offset), Some(n * 800));
        }
    }

    #[test]
    fn a_flood_is_skipped_forward_until_it_calms_down() {
        let (mut flow, share, mut now) = (Flow::new(Instant::now()), Share::of(100, 1), Instant::now());
        let text = format!("{}\n", "x".repeat(79)).repeat(1600);
        let (mut sent, mut end) = (0, 0);
        for _ in 0..100 {
            now += TICK;
            let passed = flow.push(update(end, &text), share, now);
            end += text.len() as u64;
            for update in passed.into_iter().chain(flow.release(now)) {
                sent += update.text.len();
                assert_eq!((update.end, update.text.starts_with("xxx")), (end, true));
                assert_eq!(update.text.len() % 80, 0, "whole lines");
            }
        }
        // Ten seconds of it, a glance each.
        assert!(sent < text.len() + 50 * SHOWN as usize, "{sent}");
        let due = flow.due().unwrap_or(now);
        assert_eq!(flow.release(due).map_or(end, |last| last.end), end, "the last lines are always shown");
        now = due + Duration::from_secs(1);
        assert!(flow.push(update(end, "calm\n"), share, now).is_some());
    }

    #[test]
    fn what_was_held_back_is_joined_with_what_follows() {
        let (mut flow, share, now) = (Flow::new(Instant::now()), Share::of(1000, 1), Instant::now());
        assert!(flow.push(update(0, &"x\n".repeat(20_000)), share, now).is_none());
        assert!(flow.push(update(40_000, "the last line\n"), share, now).is_none());
        assert!(flow.release(now).is_none());
        let shown = flow.release(now + GLANCE).unwrap();
        assert!(shown.text.ends_with("x\nthe last line\n") && shown.end == 40_014);
        assert_eq!(shown.offset + shown.text.len() as u64, shown.end);
    }

    #[test]
    fn text_of_replaced_bytes_is_never_cut_at_a_wrong_place() {
        let long = Update { end: 10_000, ..update(0, &"\u{fffd}".repeat(10_000)) };
        let newest = newest_of(long, 100);
        assert_eq!((newest.offset, newest.end, newest.text.as_str()), (10_000, 10_000, ""));
        let accents = newest_of(update(0, &"é".repeat(1000)), 101);
        assert_eq!((accents.offset, accents.text.len()), (1900, 100));
    }
}
