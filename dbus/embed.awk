# SPDX-License-Identifier: MIT
# Turns interface XML files into C string constants, without comments: introspect_manager for ...Manager.xml.
function close_string() { if (open) { print ";\n"; open = 0 } }
FNR == 1 {
	close_string()
	name = FILENAME
	sub(/\.xml$/, "", name)
	sub(/.*\./, "", name)
	inside = 0
}
{
	line = $0
	out = ""
	while (line != "") {
		if (comment) {
			at = index(line, "-->")
			if (at == 0) { line = ""; break }
			line = substr(line, at + 3)
			comment = 0
		} else {
			at = index(line, "<!--")
			if (at == 0) { out = out line; break }
			out = out substr(line, 1, at - 1)
			line = substr(line, at + 4)
			comment = 1
		}
	}
	if (out ~ /<interface /) {
		inside = 1
		if (!started) { print "#include \"gen/introspect_xml.h\"\n"; started = 1 }
		print "const char introspect_" tolower(name) "[] ="
		open = 1
	}
	if (inside && out !~ /^[ \t]*$/) {
		gsub(/\\/, "\\\\", out)
		gsub(/"/, "\\\"", out)
		print "\t\"" out "\\n\""
	}
	if (out ~ /<\/interface>/) inside = 0
}
END { close_string() }
