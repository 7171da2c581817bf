"""Taking a classifier away: as files that agree with the page, or as a page of its own."""
