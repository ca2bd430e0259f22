# SPDX-License-Identifier: MIT
# Turns the word list into a C array of fixed width, which needs no relocation. What is not 7776 sorted words of a to z and
# hyphens is refused: that each is there once is what the 77 bits of six words stand on.
function refuse(why) { print FILENAME ": " why > "/dev/stderr"; failed = 1; exit 1 }
BEGIN { print "#include \"gen/wordlist.h\"\n\nconst char wordlist[WORDLIST_WORDS][WORDLIST_LETTERS + 1] = {" }
/^#/ { next }
!/^[a-z][a-z-]*[a-z]$/ { refuse("not a word: " $0) }
length($0) > 9 { refuse("too long: " $0) }
$0 "" <= last "" { refuse("out of order: " $0) }
{ print "\t\"" $0 "\","; last = $0; count++ }
END { if (!failed) { if (count != 7776) refuse(count " words"); print "};" } }
