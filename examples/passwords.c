/* SPDX-License-Identifier: MIT */
/* Makes an app password, verifies it as a mail server would, and ends it: passwords LABEL
 * A broker that wants main password and code first is given them by sparekey_authenticate. */
#include <sparekey.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct sparekey *sparekey = NULL;
	struct sparekey_secret *secret = NULL;
	struct sparekey_wish wish = { .label = argc > 1 ? argv[1] : "An example" };
	struct sparekey_check check = { .remote = "192.0.2.7" };
	struct sparekey_verification right;
	char id[SPAREKEY_ID_SIZE] = "";

	if (sparekey_new(NULL, 0, &sparekey) != 0 || sparekey_secret_new(&secret) != 0) {
		return 1;
	}
	int result = sparekey_create(sparekey, &wish, id, secret);

	if (result == 0 && sparekey_verify(sparekey, secret, "imap", &check, &right) == 0) {
		printf("yes: %s\n", right.label);
		result = sparekey_revoke(sparekey, id);
	}
	printf("%s\n", result == 0 ? "revoked" : sparekey_error_text(sparekey));
	sparekey_secret_free(secret);
	sparekey_free(sparekey);
	return result == 0 ? 0 : 1;
}
