"""The lead that sweepers contend for."""

from shared.ledger import leadership


def test_one_leads_at_a_time(ledger, client):
    def lead(name, seconds=5):
        return ledger.run(leadership.lead(name, seconds))

    assert [lead("a"), lead("b"), lead("a")] == [True, False, True]
    assert 4000 < client.pttl("logo:sweeper") <= 5000
    assert [lead("b", 0), lead("b"), lead("a", 0), lead("b")] == [False, False, False, True]
