#!lua flags=allow-oom
-- Notes what an operator did. Allowed at maxmemory: the notes are bounded, and what is done then must be known too.
-- KEYS  1 audit stream (an entry for each note)
-- ARGV  1 bound of the stream  2 field  3 value, and so on
-- Reply the entry's id
local audit_key, max_notes = KEYS[1], ARGV[1]
return redis.call('XADD', audit_key, 'MAXLEN', '~', max_notes, '*', unpack(ARGV, 2))
