"""What the three apps share.

`server` is how they are served and what stands before them, `bodies` reads requests within bounds, `problems` is the
one table from errors to HTTP, `security` the headers, `static` the files of pages, `connection` notices clients that
leave.
"""
