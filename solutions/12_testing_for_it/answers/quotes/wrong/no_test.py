async def check_quotes(url, supplier):
    await supplier.hold()
