"""The code of January: a customer gets an account, tries it for a while, and gets an invoice.

$ nexus run january:welcome --id ada --input '{"customer": "Ada"}'
"""

from nexus_sdk import Context, activity, workflow


@activity
def open_account(customer: str) -> str:
    """An account for the customer."""
    print("opening an account for", customer)
    return f"account of {customer}"


@activity
def send_invoice(account: str, tax: int = 0) -> str:
    """The invoice, with so much tax in percent."""
    print("invoice for the", account, f"with {tax} % tax")
    return f"invoice for the {account}, {tax} % tax"


@workflow
async def welcome(ctx: Context, customer: str, trial: float = 10.0):
    """Open, try, pay. `trial`: seconds, here; months in earnest. So it is sure to be changed while instances run."""
    account = yield open_account(customer)
    yield ctx.sleep(trial)
    yield ctx.complete((yield send_invoice(account)))
