//! The source of a version's events: the log, in windows, with what old schemas have been brought to by upcasters.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use kinora_log as log;
use kinora_log::{Log, RecordRef};
use kinora_sandbox::{Batch, Category, Failure, Needs, Texts};
use kinora_types::{EventType, Position, Progress};

use crate::feed::dealer::Dealer;
use crate::feed::routes::{Route, Routes};
use crate::feed::upcasting::Chain;
use crate::feed::window::{Feed, Window};

/// Bytes of texts in a window: what crosses into a guest at once.
const WINDOW_BYTES: usize = 8 << 20;

/// Events of a window that were looked at, handled or not: a long stretch of ignored ones ends it, too.
const WINDOW_LOOKS: u64 = 65_536;

/// Reading by posting lists pays where at most one event in so many is wanted.
const POSTINGS_FROM_ONE_IN: u64 = 4;

/// Reads windows. Cheap to clone: every clone runs instances of the upcasters of its own.
#[derive(Clone)]
pub struct Source {
    log: Log,
    routes: Arc<Routes>,
    needs: Needs,
    chain: Chain,
    dealer: Option<Dealer>,
    known: Known,
}

/// The types of the log, as they were when they were looked at last.
#[derive(Clone, Default)]
struct Known {
    /// Of them, with their schemas.
    types: u64,
    /// How far the log went then.
    progress: u64,
    /// Those to handle, and how many events have them.
    names: Vec<String>,
    count: u64,
    /// The first event that has no route.
    end: Option<Progress>,
}

/// A window that is being filled, and what becomes of its events.
struct Filling<'a> {
    routes: &'a Routes,
    needs: Needs,
    chain: &'a mut Chain,
    dealer: Option<&'a Dealer>,
    window: Window,
    taken: Vec<Route>,
    /// Whether an upcaster has work to do.
    has_steps: bool,
    /// The routes that were found last: a log has few types, so looking through them beats looking them up.
    recent: Vec<(EventType, Route)>,
}

/// Routes that are kept at hand.
const RECENT_ROUTES: usize = 8;

impl Source {
    pub fn new(log: Log, routes: Arc<Routes>, needs: Needs, chain: Chain) -> Self {
        Self { log, routes, needs, chain, dealer: None, known: Known::default() }
    }

    /// From now on, windows of more than one event are dealt out, or no longer.
    pub fn deal(&mut self, dealer: Option<Dealer>) {
        self.dealer = dealer;
    }

    /// Passes over the events at these positions, whatever they are.
    pub fn skipping(mut self, skipped: BTreeSet<Position>) -> Self {
        self.routes = Arc::new(Arc::unwrap_or_clone(self.routes).skipping(skipped));
        self
    }

    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The next window: from `from` up to `upto`, at most `limit` events that are not ignored.
    pub fn read(
        &mut self,
        window: &mut Window,
        from: Progress,
        upto: Progress,
        limit: usize,
    ) -> Result<(), log::Error> {
        let mut filled = Window::default();
        filled.clear(from);
        let empty = std::mem::take(window);
        self.windows(
            empty,
            from,
            upto,
            || limit,
            |window| {
                filled = window;
                None
            },
        )?;
        *window = filled;
        Ok(())
    }

    /// The events at these positions, as many as fit.
    pub fn gather(&mut self, window: &mut Window, from: Progress, positions: &[u64]) -> Result<(), log::Error> {
        let log = self.log.clone();
        let Self { routes, needs, chain, dealer, .. } = self;
        let mut filling = Filling::one(routes, *needs, chain, std::mem::take(window), from);
        filling.dealer = dealer.as_ref();
        for position in positions.iter().copied().map(Position) {
            let mut taken = Ok(true);
            log.scan(position, Progress::through(position), |position, record| {
                taken = filling.take(position, &record);
                ControlFlow::Break(())
            })?;
            let goes_on = taken.map_err(|what| log::Error::Corrupt { position, what })?;
            if !goes_on || filling.is_full(usize::MAX) {
                break;
            }
        }
        *window = filling.finish();
        Ok(())
    }

    /// Windows one after the other, from `from` up to `upto`, filled into `window` and handed over in exchange for an
    /// empty one; ends early if there is none.
    pub fn windows(
        &mut self,
        mut window: Window,
        from: Progress,
        upto: Progress,
        limit: impl Fn() -> usize,
        mut hand_over: impl FnMut(Window) -> Option<Window>,
    ) -> Result<(), log::Error> {
        window.clear(from);
        let Self { log, routes, needs, chain, dealer, known } = self;
        let (needs, dealer) = (*needs, dealer.as_ref());
        known.look(log, routes)?;
        let wanted = known.wanted(from, upto);
        let mut filling =
            Filling { routes, needs, chain, dealer, window, taken: Vec::new(), has_steps: false, recent: Vec::new() };
        let mut damage = None;
        let mut ended = false;
        let visit = |position: Position, record: RecordRef<'_>| {
            match filling.take(position, &record) {
                Ok(true) => {}
                Ok(false) => return ControlFlow::Break(()),
                Err(what) => {
                    damage = Some(log::Error::Corrupt { position, what });
                    return ControlFlow::Break(());
                }
            }
            if filling.is_full(limit()) {
                match hand_over(filling.finish()) {
                    Some(empty) => filling.begin(empty),
                    None => {
                        ended = true;
                        return ControlFlow::Break(());
                    }
                }
            }
            ControlFlow::Continue(())
        };
        let scanned = match &wanted {
            Some((types, upto)) => log.scan_types(types, from.next(), *upto, visit),
            None => log.scan(from.next(), upto, visit),
        };
        if ended {
            return Ok(());
        }
        if let (Some((_, upto)), Ok(()), None, None) = (&wanted, &scanned, &damage, &filling.window.unknown) {
            // Nobody wants what stands between the last event that was found and the end.
            filling.window.next = *upto;
        }
        if filling.window.next > filling.window.from || filling.window.unknown.is_some() {
            hand_over(filling.finish());
        }
        damage.map_or(scanned, Err)
    }
}

impl Feed for Source {
    fn fill(&mut self, window: &mut Window, from: Progress, upto: Progress, limit: usize) -> Result<(), Failure> {
        self.read(window, from, upto, limit).map_err(Failure::storage)
    }

    fn restart(&mut self) {
        self.chain.restart();
    }
}

impl Known {
    /// Looks at the types again if there are more of them, or so many more events that they may weigh differently.
    fn look(&mut self, log: &Log, routes: &Routes) -> Result<(), log::Error> {
        // In this order: what comes in between is looked at next time.
        let (progress, types) = (log.progress().0, log.type_count());
        let is_far = progress > self.progress + (self.progress / 8).max(WINDOW_LOOKS);
        if types == self.types && !is_far {
            return Ok(());
        }
        let mut found = Self { types, progress, ..Self::default() };
        for kind in log.types()? {
            match routes.of(&kind.kind, kind.schema) {
                Some(Route::Ignore) => {}
                Some(Route::Handle(_) | Route::Step { .. }) => {
                    found.count += kind.count;
                    if found.names.last() != Some(&kind.kind) {
                        found.names.push(kind.kind);
                    }
                }
                None => {
                    let first = Progress(kind.first.0);
                    found.end = Some(found.end.map_or(first, |end| end.min(first)));
                }
            }
        }
        *self = found;
        Ok(())
    }

    /// The types to read by their posting lists and how far, or `None` if it is better to read everything.
    ///
    /// Nothing that has no route is passed over: the first of it ends the range, and is read by a scan after that.
    fn wanted(&self, from: Progress, upto: Progress) -> Option<(&[String], Progress)> {
        let end = self.end.map_or(upto, |end| end.min(upto));
        let pays = self.count.saturating_mul(POSTINGS_FROM_ONE_IN) <= self.progress;
        (pays && end > from).then_some((self.names.as_slice(), end))
    }
}

/// A window with this event and no other one: what needs no log.
pub fn only(
    routes: &Routes,
    needs: Needs,
    chain: &mut Chain,
    position: Position,
    record: &RecordRef<'_>,
) -> Result<Window, String> {
    let mut filling = Filling::one(routes, needs, chain, Window::default(), Progress(position.0));
    filling.take(position, record)?;
    Ok(filling.finish())
}

impl<'a> Filling<'a> {
    /// Begins with an empty window, for one instance.
    fn one(routes: &'a Routes, needs: Needs, chain: &'a mut Chain, mut window: Window, from: Progress) -> Self {
        window.clear(from);
        Self { routes, needs, chain, dealer: None, window, taken: Vec::new(), has_steps: false, recent: Vec::new() }
    }
}

impl Filling<'_> {
    fn begin(&mut self, mut empty: Window) {
        let from = self.window.next;
        empty.clear(from);
        self.window = empty;
    }

    /// Takes an event up, unless there is no route for it: then the window ends before it.
    fn take(&mut self, position: Position, record: &RecordRef<'_>) -> Result<bool, String> {
        let route = if self.routes.skips(position) { Some(Route::Ignore) } else { self.route(record) };
        let window = &mut self.window;
        let Some(route) = route else {
            let message = self.routes.explain(record.kind, record.schema);
            let failure = Failure::new(Category::UnknownEvent, message).at(position);
            window.unknown = Some((failure, EventType::new(record.kind, record.schema).ok()));
            return Ok(false);
        };
        if route != Route::Ignore {
            window.first.get_or_insert(position);
            self.has_steps |= matches!(route, Route::Step { .. });
            self.taken.push(route);
            let kind = if let Route::Handle(kind) = route { kind } else { 0 };
            push(&mut window.events, position, kind, record, self.needs)?;
        }
        window.next = Progress::through(position);
        Ok(true)
    }

    fn route(&mut self, record: &RecordRef<'_>) -> Option<Route> {
        let same = |(known, _): &&(EventType, Route)| known.schema == record.schema && known.name == record.kind;
        if let Some((_, route)) = self.recent.iter().find(same) {
            return Some(*route);
        }
        let route = self.routes.of(record.kind, record.schema)?;
        if self.recent.len() < RECENT_ROUTES
            && let Ok(kind) = EventType::new(record.kind, record.schema)
        {
            self.recent.push((kind, route));
        }
        Some(route)
    }

    fn is_full(&self, limit: usize) -> bool {
        let Window { events, from, next, .. } = &self.window;
        self.taken.len() >= limit || events.text_bytes() >= WINDOW_BYTES || next.0 - from.0 >= WINDOW_LOOKS
    }

    /// The window, with the work of the upcasters done. What they have nothing to do with never enters them.
    fn finish(&mut self) -> Window {
        let mut window = std::mem::take(&mut self.window);
        if let Err(failure) = self.prepare(&mut window) {
            window.events.clear();
            window.failure = Some(failure);
        }
        self.taken.clear();
        self.has_steps = false;
        // What `begin` goes on from.
        self.window.next = window.next;
        window
    }
}

impl Filling<'_> {
    fn prepare(&mut self, window: &mut Window) -> Result<(), Failure> {
        if self.has_steps {
            window.events = self.chain.run(&window.events, &self.taken, self.routes)?;
        }
        // One event alone is for one instance alone.
        if let Some(dealer) = self.dealer.filter(|_| window.events.len() > 1) {
            window.dealt = dealer.deal(&window.events)?;
            window.events.clear();
        }
        Ok(())
    }
}

/// Adds an event to a batch, as `kind`.
pub fn push(
    events: &mut Batch,
    position: Position,
    kind: u32,
    record: &RecordRef<'_>,
    needs: Needs,
) -> Result<(), String> {
    let add = |column: &mut Texts, text: &str| column.push(text.as_bytes()).map_err(|cause| cause.to_string());
    events.positions.push(position.0);
    events.revisions.push(record.revision.0);
    events.times.push(record.time.0);
    events.kinds.push(kind);
    add(&mut events.streams, record.stream)?;
    add(&mut events.payloads, record.data)?;
    if needs.metadata {
        add(&mut events.metadata, record.metadata.unwrap_or_default())?;
    }
    if needs.tags {
        add(&mut events.tags, record.tags)?;
    }
    Ok(())
}
