//! Every decoder of bytes from the disk or the network, for fuzzing: none may panic, and what one accepts must make
//! sense.
//!
//! `host/tests/process/decoders.rs` runs each for a short time, `make fuzz` for a long one, guided by coverage.

use crate::cli;
use kinora_log as log;
use kinora_readmodel as readmodel;
use kinora_sandbox as sandbox;
use kinora_server as http;

/// A decoder, bytes that it accepts, to begin from, and what is tried.
pub struct Target {
    pub name: &'static str,
    pub seeds: &'static [&'static [u8]],
    pub run: fn(&[u8]),
}

pub const TARGETS: &[Target] = &[
    Target {
        name: "record",
        // Stream, revision, time, id, type, schema, data, metadata, tags, claims: see `log::record`.
        seeds: &[b"\x01s\x05\xac\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07\x01T\x02\x07{\"a\":1}\0\x05x:1\ny\x07+\
            \ts\tv\to"],
        run: log::fuzz::record,
    },
    Target {
        name: "journal",
        // Epoch, durable, from, upto, blocks in front of it, and a commit: see `log::journal::frame`.
        seeds: &[
            b"\x01\x02\x02\x04\x00\x04\0\0\0\0\0\0\0\x03\0\0\0abc",
            b"\x01\x03\x01\x03\x02\x03\0\0\0\0\0\0\0\0\0\0\0",
        ],
        run: log::fuzz::journal,
    },
    Target { name: "postings", seeds: &[b"\x02\x01\x04", b"\x00"], run: log::fuzz::postings },
    Target { name: "claims", seeds: &[b"-\temail\ta\tuser-1\n+\temail\tb c\tuser-1"], run: log::fuzz::claims },
    Target { name: "held", seeds: &[b"\0\0\0\0\0\0\x01\x02user-1"], run: log::fuzz::held },
    Target {
        name: "request",
        seeds: &[b"\x01\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\
            \x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\xe8\x07\x03\xac\x02\x01\x01s\x05"],
        run: log::fuzz::request,
    },
    Target {
        name: "events",
        seeds: &[br#"[{"id":"00000000-0000-0000-0000-000000000001","type":"T","schema":1,"data":{"n":1.5},
            "metadata":{},"tags":["a:b"]}]"#],
        run: http::fuzz::events,
    },
    Target {
        name: "transaction",
        seeds: &[br#"{"appends":[{"stream":"a","expected_revision":3,"events":[{"type":"T","data":1}]}],
            "condition":{"none_of":[{"types":["T"],"tags":["x"]}],"after":7},"claims":{"release":[],
            "take":[{"scope":"s","value":"v","owner":"a"}]}}"#],
        run: http::fuzz::transaction,
    },
    Target {
        name: "cloudevents",
        seeds: &[br#"[{"specversion":"1.0","id":"1","source":"/s","type":"T","schema":2,"tags":"a, b",
            "subject":"x","data":{"n":1.50}}]"#],
        run: http::fuzz::cloudevents,
    },
    Target {
        name: "line",
        seeds: &[br#"{"position":7,"stream":"a","revision":3,"time":"1970-01-01T00:00:01.5Z",
            "id":"00000000-0000-0000-0000-000000000001","type":"T","schema":2,"data":{"n":1.5},
            "metadata":{},"tags":["x:1"],"claims":{"release":[],"take":[{"scope":"s","value":"v",
            "owner":"a"}]}}"#],
        run: cli::fuzz::line,
    },
    Target {
        name: "parameter",
        seeds: &[
            b"n=not.in.(1,\"a b\",true)",
            b"or=(a.b.cs.{1,two},not.and(t.ilike.a*,n.lte.5),a[].b.is.null)",
            b"order=-n,a.b.desc",
            b"select=a.b,n",
            b"aggregate=count,late:percentile(n,90)",
        ],
        run: http::fuzz::parameter,
    },
    Target {
        name: "cursor",
        seeds: &[b"\x01abcd\x03x\0\0key", b"\x02\x04\xbf\xf0\0\0\0\0\0\0k"],
        run: readmodel::fuzz::cursor,
    },
    Target {
        name: "entry",
        seeds: &[
            b"\x05a\0\xffb\0\0key",
            b"\x03\0\x01UA\0\xff\xff\xff\xff\xff\xff\xff\xfe",
            b"\x04\0\x01\0\0\0\0\0\0\0\x02UA",
        ],
        run: readmodel::fuzz::entry,
    },
    Target {
        name: "schema",
        seeds: &[
            br#"{"type":"object","required":["a"],"properties":{"a":{"type":["integer","null"],
                "minimum":1,"multipleOf":0.5}},"additionalProperties":false}"#,
            br#"{"anyOf":[{"pattern":"^(a|b)+$","maxLength":3},{"items":{"enum":["x",1]},
                "uniqueItems":true}],"not":{"const":null},"if":true,"then":{"format":"date"}}"#,
        ],
        run: sandbox::fuzz::schema,
    },
    Target { name: "module", seeds: &[b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"], run: sandbox::fuzz::module },
];
