"""Deposits into accounts with Python's `eventsourcing` on PostgreSQL: `bank.py HOST PORT ACCOUNTS THREADS SECONDS`.

Prints how many commands a second were decided and saved. Accounts stay in its cache, as is advised for speed.
"""

import itertools
import sys
import threading
import time
from uuid import NAMESPACE_URL, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event


class Account(Aggregate):
    @event("Opened")
    def __init__(self, number):
        self.number = number
        self.balance = 0

    @staticmethod
    def create_id(number):
        return uuid5(NAMESPACE_URL, f"/accounts/{number}")

    @event("Deposited")
    def deposit(self, cents):
        self.balance += cents


class Bank(Application):
    def open(self, number):
        self.save(Account(number))

    def deposit(self, number, cents):
        account = self.repository.get(Account.create_id(number))
        account.deposit(cents)
        self.save(account)


def main():
    host, port, accounts, threads, seconds = sys.argv[1:]
    accounts, threads, seconds = int(accounts), int(threads), float(seconds)
    bank = Bank(env={
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_HOST": host, "POSTGRES_PORT": port, "POSTGRES_DBNAME": "postgres",
        "POSTGRES_USER": "bench", "POSTGRES_PASSWORD": "bench",
        "POSTGRES_POOL_SIZE": str(threads), "POSTGRES_MAX_OVERFLOW": str(threads),
        "AGGREGATE_CACHE_MAXSIZE": "20000",
    })
    for number in range(accounts):
        bank.open(number)
    numbers, lock, done = itertools.count(), threading.Lock(), [0] * threads
    ends = time.monotonic() + seconds

    def work(thread):
        while time.monotonic() < ends:
            with lock:
                number = next(numbers) % accounts
            bank.deposit(number, 1)
            done[thread] += 1

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(sum(done) / seconds)


main()
