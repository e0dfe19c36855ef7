//! What groups tell, and when.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use model::UnixMillis;

use crate::dispatch::entry::{Gathered, News, View};
use crate::dispatch::pass::{Draft, Output};
use crate::dispatch::tree::notification_id;
use crate::incident::{Incident, Outcome, Transition, What};
use crate::notification::{Group, Notification, Status, Told};
use crate::rule::Severity;

/// Alarms that a notification lists; it counts the others.
pub(super) const MAX_TOLD: usize = 100;
/// Alarms that a notification in SkyWalking's way lists; what is more goes into another one.
pub(super) const MAX_TOLD_PLAIN: usize = 1_000;
/// Notifications that a receiver gets in one pass; what is more waits for the next.
pub(super) const MAX_NOTIFICATIONS: usize = 100;
/// When the next pass is due where some wait.
const AGAIN_MS: i64 = 1_000;

/// Makes the notifications of groups that are due.
pub(super) fn tell(view: &View<'_>, gathered: BTreeMap<String, Gathered<'_>>, output: &mut Output) {
    let now = view.input.now;
    let mut wake = |at: UnixMillis| output.next = Some(output.next.map_or(at, |next| next.min(at)));
    let mut due: Vec<(UnixMillis, String, Gathered<'_>)> = Vec::new();
    for (id, group) in gathered {
        match due_at(view, &id, &group) {
            Some(at) if at <= now => due.push((at, id, group)),
            Some(at) => wake(at),
            None => {}
        }
    }
    // The longest due first, so that none waits for ever.
    due.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    let mut n_told: BTreeMap<&str, usize> = BTreeMap::new();
    let mut drafts = Vec::new();
    for (_, id, group) in due {
        let n_told = n_told.entry(group.target.receiver).or_default();
        if *n_told >= MAX_NOTIFICATIONS {
            wake(now.plus(AGAIN_MS));
            continue;
        }
        if let Some(repeat) = Some(group.target.settings.repeat_ms).filter(|repeat| *repeat > 0) {
            wake(now.plus(repeat));
        }
        let made = Making { view, id: &id, group }.drafts();
        *n_told += made.len();
        drafts.extend(made);
    }
    output.drafts = drafts;
}

/// When a group tells; `None`: it has nothing to say.
fn due_at(view: &View<'_>, id: &str, group: &Gathered<'_>) -> Option<UnixMillis> {
    let (now, settings) = (view.input.now, group.target.settings);
    let told = view.input.groups.get(id).and_then(|group| group.doc.told);
    let first = group.fired.iter().flat_map(|news| &news.transitions).map(|t| t.at).min();
    if first.is_none() && group.over.is_empty() {
        let repeats = settings.repeat_ms > 0 && !group.repeatable.is_empty();
        return told.filter(|_| repeats).map(|told| told.plus(settings.repeat_ms));
    }
    let emptied = first.is_none() && group.open.is_empty();
    if emptied || group.over.iter().any(|news| news.late) {
        return Some(now);
    }
    let waited = first.map(|first| first.plus(settings.wait_ms));
    waited.max(told.map(|told| told.plus(settings.interval_ms))).or(Some(now))
}

/// A group that tells.
struct Making<'a, 'b> {
    view: &'b View<'a>,
    id: &'b str,
    group: Gathered<'a>,
}

/// One line of a notification.
struct Line<'a> {
    incident: &'a Incident,
    transition: &'a Transition,
    flapping: bool,
}

impl<'a> Making<'a, '_> {
    fn drafts(mut self) -> Vec<Draft> {
        let plain = self.group.target.settings.plain;
        let repeated = self.group.fired.is_empty() && self.group.over.is_empty();
        let (mut lines, mut omits) = (Vec::new(), Vec::new());
        let (fired, over) = (std::mem::take(&mut self.group.fired), std::mem::take(&mut self.group.over));
        let known = self.group.open.iter().map(|incident| incident.id.clone());
        let new = fired.iter().filter(|news| !news.incident.known_open(self.id)).map(|news| news.incident.id.clone());
        let mut open: Vec<String> = known.chain(new).collect();
        open.sort_unstable();
        if repeated {
            let mut again = std::mem::take(&mut self.group.repeatable);
            again.sort_by_key(|incident| (Reverse(incident.severity), incident.opened, &incident.id));
            let told = again.iter().filter_map(|incident| Some((*incident, incident.told(self.id)?)));
            lines = told.take(MAX_TOLD).map(|(incident, transition)| line(incident, transition, false)).collect();
        } else if plain {
            for news in fired.iter().chain(&over) {
                lines.extend(news.lines());
            }
            lines.sort_by_key(|line| (line.transition.at, &line.incident.id, line.transition.seq));
        } else {
            self.choose(fired, over, &mut lines, &mut omits);
        }
        self.drafts_of(&lines, omits, &open, repeated)
    }

    /// The worst and oldest firings, and the recoveries of all that were listed once. The rest is counted.
    fn choose(
        &self,
        mut fired: Vec<News<'a>>,
        mut over: Vec<News<'a>>,
        lines: &mut Vec<Line<'a>>,
        omits: &mut Vec<(String, u32)>,
    ) {
        fired.sort_by(|one, other| rank(one).cmp(&rank(other)));
        over.sort_by(|one, other| rank(one).cmp(&rank(other)));
        let mut room = MAX_TOLD;
        for news in fired.iter().chain(&over) {
            let told = news.incident.told(self.id).and_then(|told| told.mark(self.id));
            let was_listed = told.is_some_and(|mark| mark.outcome != Outcome::Omitted);
            if room > 0 || news.incident.is_over() && was_listed {
                room = room.saturating_sub(1);
                lines.extend(news.lines());
            } else {
                omits.extend(news.transitions.iter().map(|t| (news.incident.id.clone(), t.seq)));
            }
        }
    }

    fn drafts_of(
        &self,
        lines: &[Line<'a>],
        mut omits: Vec<(String, u32)>,
        open: &[String],
        repeated: bool,
    ) -> Vec<Draft> {
        let (target, now) = (&self.group.target, self.view.input.now);
        let settings = target.settings;
        let stored = self.view.input.groups.get(self.id).map(|group| group.doc.clone());
        let before = stored.unwrap_or_else(|| Group {
            id: self.id.to_owned(),
            route: settings.path.clone(),
            receiver: target.receiver.to_owned(),
            labels: target.labels.clone(),
            // A group that comes again must not count what it told before: numbers go on with the time.
            sequence: u64::try_from(now.0).unwrap_or(0).max(1),
            due: now,
            told: None,
            open: Vec::new(),
        });
        let pause = if settings.repeat_ms > 0 { settings.repeat_ms } else { settings.interval_ms };
        let at_once = if settings.plain { MAX_TOLD_PLAIN } else { MAX_TOLD };
        let mut drafts = Vec::new();
        for (sequence, lines) in (before.sequence..).zip(lines.chunks(at_once)) {
            let n_listed =
                lines.iter().filter(|line| line.transition.what != What::Recovered && !line.incident.is_over());
            let n_listed = n_listed.map(|line| &line.incident.id).collect::<BTreeSet<_>>().len();
            let omitted = if settings.plain { 0 } else { open.len().saturating_sub(n_listed) };
            let mut notification = Notification {
                id: notification_id(self.id, sequence),
                group: self.id.to_owned(),
                sequence,
                receiver: target.receiver.to_owned(),
                labels: before.labels.clone(),
                told: lines.iter().map(Line::told).collect(),
                omitted: u64::try_from(omitted).unwrap_or(u64::MAX),
                folded: 0,
                repeated,
                test: false,
                made: now,
                status: Status::Waiting,
                next: now,
                n_attempts: 0,
                attempts: Vec::new(),
                finished: None,
                delivered: Vec::new(),
                redriven: None,
                sample: None,
                change: String::new(),
            };
            notification.folded = self.n_folded(&notification);
            let due = now.plus(pause);
            let after = Group { sequence: sequence + 1, due, told: Some(now), open: open.to_vec(), ..before.clone() };
            let omits = std::mem::take(&mut omits);
            drafts.push(Draft { notification, omits, before: before.clone(), after, kept: self.group.held });
        }
        drafts
    }

    /// How many alarms those of a notification explain.
    fn n_folded(&self, notification: &Notification) -> u64 {
        let listed: BTreeSet<&str> = notification.told.iter().map(|t| t.incident.as_str()).collect();
        let n = self.view.folded.values().filter(|origin| listed.contains(*origin)).count();
        u64::try_from(n).unwrap_or(u64::MAX)
    }
}

/// What comes first in a notification: the worst, then the oldest.
fn rank<'a>(news: &News<'a>) -> (Reverse<Severity>, Option<UnixMillis>, &'a str) {
    (Reverse(news.incident.severity), news.transitions.first().map(|t| t.at), &news.incident.id)
}

fn line<'a>(incident: &'a Incident, transition: &'a Transition, flapping: bool) -> Line<'a> {
    Line { incident, transition, flapping }
}

impl<'a> News<'a> {
    fn lines(&self) -> impl Iterator<Item = Line<'a>> {
        let (incident, flapping) = (self.incident, self.flapping);
        self.transitions.iter().map(move |transition| line(incident, transition, flapping))
    }
}

impl Line<'_> {
    fn told(&self) -> Told {
        Told { flapping: self.flapping, ..Told::of(self.incident, self.transition) }
    }
}
