"""The client against a real host, which is killed and started again under it."""

import contextlib
import io
import sys
import threading
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "examples")]

import deposits
from kinora_client import Client, Problem, Retries, Unreachable
from kinora_client.subscription import Message, messages
from support import MODULES, Cutter, Host


ADA = {"customer": "ada", "iban": "DE02120300000000202051"}


def deposit(cents, account="ada"):
    return {"type": "Deposited", "data": {"account": account, "cents": cents, "day": 1}}


class OverAHost(unittest.TestCase):
    def setUp(self):
        self.host = Host()
        self.addCleanup(self.host.end)
        self.client = Client(self.host.url)
        self.addCleanup(self.client.close)

    def restarted(self):
        """Kills the host at once, and starts it again while somebody asks."""
        self.host.kill()
        starting = threading.Thread(target=self.host.start)
        starting.start()
        self.addCleanup(starting.join)

    def test_an_append_whose_answer_was_lost_is_not_done_twice(self):
        port = int(self.host.url.rsplit(":", 1)[1])
        cutter = Cutter(port, cuts=2)
        self.addCleanup(cutter.close)
        with Client(cutter.url) as client:
            appended = client.append("account-ada", [deposit(1), deposit(2)], expected="no_stream")
        self.assertEqual(cutter.connections, 3)
        self.assertTrue(appended["duplicate"])
        self.assertEqual([event["data"]["cents"] for event in self.client.log()], [1, 2])

    def test_requests_wait_for_a_host_that_is_started_again(self):
        self.client.append("account-ada", [deposit(1)])
        self.restarted()
        self.assertEqual(self.client.append("account-ada", [deposit(2)], expected=0)["revision"], 1)
        self.assertEqual([event["revision"] for event in self.client.stream("account-ada", limit=1)], [0, 1])

    def test_a_host_that_stays_away_is_said(self):
        self.host.kill()
        with Client(self.host.url, retries=Retries(seconds=0.2)) as client, self.assertRaises(Unreachable):
            client.append("account-ada", [deposit(1)])
        self.host.start()

    def test_a_subscription_goes_on_where_it_was(self):
        seen = []
        with self.client.follow_log(types=["Deposited"]) as followed:
            for number in range(4):
                self.client.append("account-ada", [deposit(2 * number), deposit(2 * number + 1)])
                while len(seen) < 2 * (number + 1):
                    message = next(followed)
                    if message.kind == "event":
                        seen.append(message.data["data"]["cents"])
                if number % 2 == 0:
                    self.restarted()
            last = followed.last
        self.assertEqual(seen, list(range(8)))
        self.client.append("account-ada", [deposit(8)])
        with self.client.follow_log(last=last) as followed:
            self.assertEqual(next(m for m in followed if m.kind == "event").data["data"]["cents"], 8)

    def test_a_session_sees_what_it_has_written(self):
        module = str(MODULES / "ledger.wasm")
        self.host.run("deploy", "ledger", "--module", module, "--wait", "--promote", "when-ready")
        session = self.client.session()
        for number in range(1, 20):
            session.append("account-ada", [deposit(1)])
            # To ask for less than was written here asks for that all the same.
            row = session.row("ledger", "accounts", "ada", min_position=0)
            self.assertEqual(row["balance"], number)
        rows = session.rows("ledger", "accounts", {"balance": "gte.19"}, order="balance.desc")
        self.assertEqual([row["key"] for row in rows.rows], ["ada"])
        self.assertGreaterEqual(rows.position, session.position)
        self.assertIsNone(session.row("ledger", "accounts", "nobody"))
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            deposits.main(self.host.url)
        expected = ["769", "Deposited", "500", "Deposited", "250", "wrong-expected-revision"]
        self.assertEqual(said.getvalue().split(), expected)

    def test_a_command_is_decided_once(self):
        self.host.run("deciders", "deploy", "accounts", "--module", str(MODULES / "accounts.wasm"), "--promote")
        opened = self.client.decide("accounts", "1", "Open", ADA, key="open-1")
        self.assertEqual((opened["outcome"], opened["duplicate"]), ("accepted", False))
        self.assertTrue(self.client.decide("accounts", "1", "Open", ADA, key="open-1")["duplicate"])
        with self.assertRaises(Problem) as refused:
            self.client.decide("accounts", "1", "Withdraw", {"cents": 5})
        self.assertEqual((refused.exception.kind, refused.exception.status), ("command-rejected", 422))
        self.assertTrue(refused.exception.more["code"])
        self.assertEqual(self.client.decide("accounts", "1", "Close")["outcome"], "accepted")

    def test_a_name_is_never_a_part_of_the_path(self):
        for name in ("", ".", ".."):
            with self.assertRaises(ValueError):
                list(self.client.stream(name))

    def test_what_is_refused_has_a_kind_and_a_hint(self):
        with self.assertRaises(Problem) as refused:
            self.client.rows("nothing", "here")
        self.assertEqual((refused.exception.kind, refused.exception.status), ("unknown-projection", 404))
        with self.assertRaises(Problem) as refused:
            self.client.append("account-ada", [{"type": "Deposited"}])
        self.assertEqual(refused.exception.status, 400)


class EventStreams(unittest.TestCase):
    def test_messages_are_whole_or_none(self):
        lines = ["event: event", "id: 4-ab", 'data: {"a":', "data: 1}", "", ": alive", "", "event: caught-up", "data: {}"]
        self.assertEqual(list(messages(iter(lines))), [Message("4-ab", "event", {"a": 1})])

    def test_addresses_are_parsed_at_once(self):
        for url in ("127.0.0.1:7070", "ftp://host", "http://"):
            with self.assertRaises(ValueError):
                Client(url)


if __name__ == "__main__":
    unittest.main()
