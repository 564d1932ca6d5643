"""What providers list: M3U, Xtream and XMLTV as values. Pure: bytes in, entries out."""
