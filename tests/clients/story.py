def run(gatehouse, report): pass
