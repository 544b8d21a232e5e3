async def test_quotes(url, supplier)
    await supplier.hold()
