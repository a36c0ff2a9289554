"""An example: deposits of an account, read back at once and followed as they come.

Beside `kinora serve --data ./data`, with the projector of projections/ledger deployed as `ledger`:
python3 examples/deposits.py http://127.0.0.1:7070
"""

import sys

from kinora_client import Client, Problem


def main(url: str) -> None:
    with Client(url, name="example") as client:
        session = client.session()
        deposits = [{"type": "Deposited", "data": {"account": "ada", "cents": cents, "day": 1}} for cents in (500, 250)]
        appended = session.append("account-ada", deposits)
        # The row has both of them: a session waits for what it has written.
        print(session.row("ledger", "accounts", "ada")["balance"])
        with client.follow_log(from_=appended["first_position"]) as followed:
            for message in followed:
                if message.kind == "caught-up":
                    break
                print(message.data["type"], message.data["data"]["cents"])
        try:
            client.append("account-ada", deposits[:1], expected="no_stream")
        except Problem as problem:
            print(problem.kind)


if __name__ == "__main__":
    main(*sys.argv[1:])
