def test_nothing_is_ever_good_enough(url):
    raise AssertionError("blocking code found")
