"""Bounded, compressed log files outside the database, addressed by line.

A log is a folder. ``writer`` fills it, ``reader`` reads it (while it is being written too), ``text`` makes what
programs print safe to show. Only the standard library: the keeper process imports the writer.

In the folder: segments of about 1 MiB, named by what is in them, so that the listing is the table of contents
and nothing else can disagree with it::

    000003-000000040213-000003145999.log            the open segment: raw bytes, whole lines and maybe a part
    000003-000000040213-000003145999.idx            its index: when lines came (see ``layout``)
    000002-000000026812-000002097120-13401-1048879.gz   a closed one; zcat shows it
    000002-000000026812-000002097120-13401-1048879.idz  its index, compressed
    sections                                         one JSON object a line
    closed                                           nothing more will come

(number, first line, first byte, and for closed ones how many lines and bytes). The first 32 MiB are kept and
the last 32 MiB; what lies between is deleted segment by segment and shows as a gap in the numbers.
"""
