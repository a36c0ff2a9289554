//! The problems that each operation can answer, in one table: the description is made of it, and the tests check every
//! answer against the description.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::header;
use kinora_api::Kind;
use utoipa::IntoResponses;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};

/// Declares kinds that several operations have in common.
macro_rules! groups {
    ($($group:ident: $($kind:ident)*;)*) => {
        $(const $group: &[Kind] = &[$(Kind::$kind,)*];)*
    };
}

/// Declares operations, each with its groups and its own kinds.
macro_rules! operations {
    ($($operation:ident: [$($group:ident)*] $($kind:ident)*;)*) => {
        $(
            pub struct $operation;

            impl IntoResponses for $operation {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    responses(&[$($group,)* &[$(Kind::$kind,)*]])
                }
            }
        )*

        #[cfg(test)]
        const ALL: &[&[&[Kind]]] = &[$(&[$($group,)* &[$(Kind::$kind,)*]],)*];
    };
}

groups! {
    // What the edge of the host refuses, whatever is asked: no host is named, the address is not UTF-8 or has a
    // parameter that is not known, a body is packed or not asked for, nobody knows or allows whoever asks.
    EDGE: Forbidden ForeignOrigin InvalidBody InvalidHeader InvalidParameter Unauthenticated UnknownContentType
        UnknownEncoding;
    // Whatever is sent takes memory, also where nobody reads it.
    SENT: Busy TooLarge;
    BODY: Busy InvalidBody TooLarge TooSlow;
    // What a read may use is used up, or there is no place for one more.
    WORK: Busy TimedOut TooLarge;
    APPENDED: IdReused IdempotencyKeyReused InvalidEvent InvalidJson InvalidName LogPoisoned NoSpace OutcomeUnknown
        OwnedStream PartlyKnown ReservedName TooManyRequests WrongExpectedRevision;
    // A module that was accepted may be refused once it is compiled, or by the next host.
    MODULE: CompileFailed Contract DescribeFailed ForeignImports Held InvalidManifest MissingExports NotWasm TooLarge
        UnknownModule;
    VERSION: InvalidVersion UnknownProjection UnknownVersion;
    COMPARED: NotComparable UnknownProjection UnknownVersion;
    CHANGED: IdempotencyKeyReused InvalidJson OtherLive WrongState;
    QUERIED: LogPoisoned NotThereYet NothingLive OtherIncarnation Starting UnknownProjection UnknownVersion
        VersionFaulted VersionPaused WrongState;
    PAST: BeyondHistory NoHistory UnknownTable;
    DECIDED: CommandRejected ConditionFailed DeciderFailed DecisionConflict IdempotencyKeyReused InvalidCommand
        InvalidEvent InvalidJson InvalidName LogPoisoned NoSpace NothingLive OutcomeUnknown Starting TooManyRequests
        ReservedName UnknownCommand UnknownDecider WrongExpectedRevision;
    RULES: InvalidJson InvalidName LogPoisoned NoSpace OtherLive OutcomeUnknown UnknownDecider UnknownVersion
        WrongExpectedRevision WrongState;
    // The host's own trouble, whatever is asked of it.
    TROUBLE: BackupFailed Internal LogFailed ModuleStoreFailed NoSample NotVerified ProjectionsFailed ReadModelFailed;
}

operations! {
    Append: [BODY APPENDED] InvalidCloudevent;
    Transact: [BODY APPENDED] ClaimFailed ConditionFailed InvalidCondition;
    ReadStream: [WORK] InvalidName OtherIncarnation UnknownStream;
    ReadLog: [WORK] InvalidName OtherIncarnation;
    Claim: [] InvalidName LogPoisoned NotClaimed;
    Log: [];

    ListModules: [];
    UploadModule: [BODY] CompileFailed Contract ForeignImports LimitReached MissingExports NotWasm;
    Module: [] InvalidDigest UnknownModule;
    DeleteModule: [SENT] InvalidDigest ModuleCompiling ModuleInUse UnknownModule;
    ModuleUses: [] InvalidDigest UnknownModule;
    DryRunUpcasters: [BODY MODULE WORK] Chain InvalidJson WrongKind;
    FollowUpcaster: [BODY CHANGED MODULE];

    ListProjections: [];
    Projection: [] Busy UnknownProjection;
    Set: [BODY CHANGED] UnknownProjection;
    History: [WORK] UnknownProjection;
    Deploy: [BODY CHANGED MODULE WORK] Chain Gaps InvalidName LimitReached ModuleCompiling StartBeyondEnd
        UnknownProjection UnknownQuery UnknownTable UnknownVersion WrongKind;
    Version: [VERSION];
    Gates: [VERSION];
    Promote: [BODY VERSION CHANGED] GatesClosed;
    Review: [BODY VERSION CHANGED] NothingLive;
    Retry: [BODY VERSION CHANGED];
    Abort: [BODY VERSION CHANGED];
    Pause: [BODY VERSION CHANGED];
    Resume: [BODY VERSION CHANGED];
    Retire: [BODY VERSION CHANGED];
    Rollback: [BODY CHANGED] NothingToRollBackTo UnknownProjection;
    Skip: [BODY VERSION CHANGED] NoReason NotStoppedThere;
    Reproduction: [VERSION MODULE WORK] ModuleCompiling NothingToReproduce;
    Upcasting: [VERSION MODULE WORK] Chain ModuleCompiling WrongKind;
    RowsDigest: [VERSION WORK] BeyondPosition NotComparable NotThereYet;
    Verify: [VERSION MODULE WORK] ModuleCompiling NotComparable;
    Diff: [COMPARED WORK];
    DiffRows: [COMPARED WORK] UnknownTable;
    DiffEvents: [MODULE WORK] ModuleCompiling UnknownProjection UnknownTable UnknownVersion WrongKind;

    ReadModel: [QUERIED];
    Rows: [QUERIED PAST WORK] BeyondBudget InvalidAggregate InvalidCursor InvalidFilter InvalidOrder InvalidSelect
        TooManyGroups TooManyRows UnknownField UnknownKeyPart;
    Row: [QUERIED PAST WORK] InvalidSelect UnknownField UnknownRow;
    NamedQuery: [QUERIED WORK] InvalidArguments QueryFailed QueryStopped UnknownQuery;

    Command: [BODY DECIDED] InvalidHeader;
    Commands: [BODY DECIDED];
    CommandReproduction: [BODY MODULE WORK] InvalidCommand InvalidJson InvalidName ModuleCompiling
        NothingLive UnknownCommand UnknownDecider UnknownVersion;
    Aggregate: [WORK] DeciderFailed InvalidName NothingLive UnknownDecider;
    ListDeciders: [];
    Decider: [] UnknownDecider;
    DeciderGates: [] InvalidVersion LogPoisoned UnknownDecider UnknownVersion;
    DeciderHistory: [WORK] UnknownDecider;
    DeployDecider: [BODY RULES MODULE] ModuleCompiling WrongKind;
    PromoteDecider: [BODY MODULE RULES] DecidesOtherwise OneWay WouldStop;
    RollBackDecider: [BODY MODULE RULES] NothingToRollBackTo OneWay;
    RetireDecider: [BODY RULES];
    AuditDecider: [SENT WORK] DeciderFailed UnknownDecider;
    Rejections: [] UnknownDecider;

    CreateBackup: [BODY] InvalidJson NoBackups;
    ListBackups: [] NoBackups;
    Limits: [];
    Settings: [];
    Health: [];
    Readiness: [];
    Metrics: [];
    Describe: [];
}

/// The answers of an operation with these problems: one for each status, and one for the host's own trouble.
fn responses(groups: &[&[Kind]]) -> BTreeMap<String, RefOr<Response>> {
    let mut kinds: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
    for kind in groups.iter().copied().chain([EDGE]).flatten() {
        kinds.entry(kind.status()).or_default().insert(kind.slug());
    }
    let trouble: BTreeSet<_> = TROUBLE.iter().map(|kind| kind.slug()).collect();
    // A status that is listed does not come by default any more.
    if let Some(listed) = kinds.get_mut(&Kind::Internal.status()) {
        listed.extend(&trouble);
    }
    let listed = kinds.into_iter().map(|(status, slugs)| {
        let mut described = response(&slugs);
        if Kind::asks_for_patience(status) {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer);
            let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait at least"));
            described.headers.insert(header::RETRY_AFTER.to_string(), header.build().into());
        }
        (status.to_string(), described.into())
    });
    listed.chain([("default".to_owned(), response(&trouble).into())]).collect()
}

fn response(slugs: &BTreeSet<&str>) -> Response {
    let mut content = Content::new(Some(Ref::from_schema_name("Problem")));
    for slug in slugs {
        let example = Ref::new(format!("#/components/examples/{slug}"));
        content.examples.insert((*slug).to_owned(), RefOr::Ref(example));
    }
    let names = slugs.iter().map(|slug| format!("`{slug}`")).collect::<Vec<_>>().join(", ");
    let described = ResponseBuilder::new().description(format!("A problem: {names}"));
    described.content("application/problem+json", content).build()
}

/// An example of each problem, by its name.
pub fn examples() -> BTreeMap<String, RefOr<Example>> {
    let example = |kind: &Kind| {
        let problem = kinora_api::Problem::new(*kind, kind.when());
        let value = serde_json::to_value(problem).unwrap_or_default();
        (kind.slug().to_owned(), ExampleBuilder::new().summary(kind.when()).value(Some(value)).build().into())
    };
    Kind::ALL.iter().map(example).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_one_of_some_operation() {
        let of_operations: Vec<Kind> = ALL.iter().copied().flatten().copied().flatten().copied().collect();
        for kind in Kind::ALL {
            // What there is no operation for.
            let of_routes = matches!(kind, Kind::UnknownRoute | Kind::WrongMethod);
            assert_eq!(
                of_operations.contains(kind) || EDGE.contains(kind) || TROUBLE.contains(kind),
                !of_routes,
                "{kind:?}"
            );
        }
    }
}
