def test_quotes(address):
    assert address
