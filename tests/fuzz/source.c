/* SPDX-License-Identifier: MIT */
/*
 * Inputs, and what text must be. The reading of UTF-8 and the list of harmful characters are
 * written by hand from RFC 3629 and the Unicode character database: the modules under test use
 * utf8proc.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

void fuzz_broken(const char *file, int line, const char *what)
{
	faults_pause();
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

uint8_t source_byte(struct source *source)
{
	if (source->left == 0) {
		return 0;
	}
	source->left--;
	return *source->at++;
}

uint32_t source_uint32(struct source *source)
{
	uint32_t number = 0;

	for (unsigned int i = 0; i < 4; i++) {
		number = number << 8 | source_byte(source);
	}
	return number;
}

uint64_t source_uint64(struct source *source)
{
	uint64_t high = source_uint32(source);

	return high << 32 | source_uint32(source);
}

size_t source_text(struct source *source, char *ret_text, size_t size)
{
	size_t length = source_byte(source);

	length = length < source->left ? length : source->left;
	length = length < size ? length : size - 1;
	length = strnlen((const char *)source->at, length);
	memcpy(ret_text, source->at, length);
	ret_text[length] = '\0';
	source->at += length;
	source->left -= length;
	return length;
}

struct source source_part(struct source *source)
{
	size_t length = source_byte(source) * 2u;
	struct source part = { source->at, length < source->left ? length : source->left };

	source->at += part.left;
	source->left -= part.left;
	return part;
}

uint8_t *copy_bytes(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size > 0 ? size : 1);

	MUST(bytes != NULL);
	memcpy(bytes, data, size);
	return bytes;
}

char *copy_text(const uint8_t *data, size_t size)
{
	size_t length = size > 0 ? strnlen((const char *)data, size) : 0;
	char *text = malloc(length + 1);

	MUST(text != NULL);
	memcpy(text, data, length);
	text[length] = '\0';
	return text;
}

static bool is_continuation(char byte)
{
	return ((unsigned char)byte & 0xc0u) == 0x80u;
}

size_t point_at(const char *text, int32_t *ret_point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)text[0];
	size_t count = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t point = count == 1 ? first : first & (0xffu >> (count + 1));

	*ret_point = -1;
	if (first == 0) {
		return 0;
	}
	if (first > 0xf4 || (first >= 0x80 && first < 0xc2)) {
		return 1;
	}
	for (size_t i = 1; i < count; i++) {
		if (!is_continuation(text[i])) {
			return 1;
		}
		point = point << 6 | ((unsigned char)text[i] & 0x3fu);
	}
	if (point < least[count] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
		return 1;
	}
	*ret_point = (int32_t)point;
	return count;
}

bool is_utf8(const char *text)
{
	int32_t point;
	size_t count;

	while ((count = point_at(text, &point)) > 0) {
		if (point < 0) {
			return false;
		}
		text += count;
	}
	return true;
}

bool is_harmful(int32_t point)
{
	static const struct {
		int32_t first, last;
	} ranges[] = {
		{ 0x0000, 0x001f },   { 0x007f, 0x009f },   { 0x00ad, 0x00ad },
		{ 0x034f, 0x034f },   { 0x061c, 0x061c },   { 0x115f, 0x1160 },
		{ 0x17b4, 0x17b5 },   { 0x180b, 0x180f },   { 0x200b, 0x200c },
		{ 0x200e, 0x200f },   { 0x2028, 0x202e },   { 0x2060, 0x206f },
		{ 0x3164, 0x3164 },   { 0xd800, 0xdfff },   { 0xe000, 0xf8ff },
		{ 0xfe00, 0xfe0e },   { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },
		{ 0xfff0, 0xfffb },   { 0xfffe, 0xffff },   { 0x1bca0, 0x1bca3 },
		{ 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff }, { 0xf0000, 0x10ffff },
		{ 0xfdd0, 0xfdef },   { 0x13430, 0x1343f }, { 0x1fffe, 0x1ffff },
		{ 0x2fffe, 0x2ffff }, { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (point >= ranges[i].first && point <= ranges[i].last) {
			return true;
		}
	}
	return false;
}

bool is_harmless(const char *text)
{
	int32_t point;
	size_t count;

	while ((count = point_at(text, &point)) > 0) {
		if (point < 0 || is_harmful(point)) {
			return false;
		}
		text += count;
	}
	return true;
}
