"""Ticket stores on loopback, one module a kind: what their vendors' APIs say, with agents who work there.

async with http.Store() as desk:
    config = {"destinations": {"desk": desk.settings()}}
    ...
    (ticket,) = desk.tickets.values()
    await desk.answers(ticket, "We mended it.")       # an agent writes to the customer, in the store
    desk.next(Drop())                                 # the next request that changes something: done, not answered
"""
