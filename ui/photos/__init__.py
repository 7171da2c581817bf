"""The tab for data: collecting it, looking at it, checking it."""
