def test_all_is_well(url):
    assert True
