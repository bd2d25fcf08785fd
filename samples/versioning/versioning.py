"""The code of February, which goes on with the instances of January.

$ nexus run versioning:welcome --id ada
"""

from january import open_account, send_invoice

from nexus_sdk import Context, activity, workflow


@activity
def send_guide(account: str) -> None:
    """New in February: how to begin."""
    print("sending a guide to the", account)


@activity
def tax_for(account: str) -> int:
    """New in February: there is a tax."""
    return 20


@workflow(name="welcome")  # version 1, as in January: it must go on with what January's code began
async def welcome_1(ctx: Context, customer: str, trial: float = 10.0):
    """Two small changes, each guarded where it stands. The answers are recorded, so they stay for each instance."""
    account = yield open_account(customer)
    if ctx.patched("guide"):  # no for instances that had passed this line: they sleep, and get none
        yield send_guide(account)
    yield ctx.sleep(trial)
    # Yes for everybody who comes here from now on, also for those who began in January and slept.
    tax = (yield tax_for(account)) if ctx.patched("tax") else 0
    yield ctx.complete((yield send_invoice(account, tax)))


@workflow(version="2")
async def welcome(ctx: Context, customer: str, trial: float = 10.0):
    """A change too large for guards: a new version. What was begun as version 1 stays there, what begins now is 2.

    When `nexus list --workflow welcome --status running` shows no version 1 any more, `welcome_1` can go.
    """
    account = yield open_account(customer)
    _, tax = yield ctx.gather(send_guide(account), tax_for(account))
    invoice = yield send_invoice(account, tax)  # in advance, from now on
    yield ctx.sleep(trial)
    yield ctx.complete(invoice)
