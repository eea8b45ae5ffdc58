/*
 * A PKCS#11 module that stands before another one and spoils calls.
 *
 * SHIM_MODULE  the module that does the work
 * SHIM_LOG     a line for each call, the function's name; it counts over processes
 * SHIM_PLAN    what to spoil, read at each call; lines of
 *
 *     FUNCTION N ACTION ARGUMENT
 *
 * FUNCTION is a name or * for all, N the number of the call, or N+ for that one
 * and all later ones; the first line that fits counts. ACTION is
 *
 *     code X     return X without the call      code-after X   return X after it
 *     delay MS   then do the call               crash, crash-after   SIGSEGV
 *     stop, stop-after           SIGSTOP, for a test that kills the process there
 *     flags X    add to a token's flags         noflags X      take them away
 *     lose       close all sessions of the token, then do the call
 *     logout     log out of the token, then do the call
 *     mech X     the token lacks mechanism X (several lines with N+ add up)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "pkcs11go.h"

#define PASS ((CK_RV)-1)

static CK_FUNCTION_LIST_PTR real;
static CK_FUNCTION_LIST ours;
static CK_SLOT_ID slot; /* of the last session */

struct verdict { char action[16]; unsigned long argument; };

static long count(const char *name)
{
	FILE *f = fopen(getenv("SHIM_LOG"), "r");
	char line[64];
	long n = 0;
	if (!f)
		return 0;
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (name == NULL || strcmp(line, name) == 0)
			n++;
	}
	fclose(f);
	return n;
}

static void logcall(const char *name)
{
	char line[64];
	int fd = open(getenv("SHIM_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0600);
	int n = snprintf(line, sizeof line, "%s\n", name);
	if (fd < 0 || write(fd, line, n) != n)
		abort();
	close(fd);
}

/* find reads the plan; mechanism 0 matches no mech line. */
static int find(const char *name, unsigned long mechanism, struct verdict *v)
{
	FILE *f = fopen(getenv("SHIM_PLAN"), "r");
	char line[128], function[48], number[16];
	long own = count(name), all = count(NULL);
	int found = 0;
	if (!f)
		return 0;
	while (!found && fgets(line, sizeof line, f)) {
		v->argument = 0;
		if (sscanf(line, "%47s %15s %15s %li", function, number, v->action, (long *)&v->argument) < 3)
			continue;
		int any = strcmp(function, "*") == 0;
		if (!any && strcmp(function, name) != 0)
			continue;
		long at = any ? all : own, n = strtol(number, NULL, 10);
		if (strchr(number, '+') ? at < n : at != n)
			continue;
		if (strcmp(v->action, "mech") == 0 && v->argument != mechanism)
			continue;
		found = 1;
	}
	fclose(f);
	return found;
}

static CK_RV before(const char *name, unsigned long mechanism, struct verdict *v)
{
	logcall(name);
	if (!find(name, mechanism, v)) {
		v->action[0] = 0;
		return PASS;
	}
	if (strcmp(v->action, "code") == 0)
		return v->argument;
	if (strcmp(v->action, "mech") == 0)
		return CKR_MECHANISM_INVALID;
	if (strcmp(v->action, "crash") == 0)
		raise(SIGSEGV);
	if (strcmp(v->action, "stop") == 0)
		raise(SIGSTOP);
	if (strcmp(v->action, "delay") == 0) {
		struct timespec t = { v->argument / 1000, (v->argument % 1000) * 1000000L };
		nanosleep(&t, NULL);
	}
	if (strcmp(v->action, "lose") == 0)
		real->C_CloseAllSessions(slot);
	if (strcmp(v->action, "logout") == 0) {
		CK_SESSION_HANDLE h;
		if (real->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &h) != CKR_OK || real->C_Logout(h) != CKR_OK)
			abort();
		real->C_CloseSession(h);
	}
	return PASS;
}

static CK_RV after(struct verdict *v, CK_RV rv)
{
	if (strcmp(v->action, "crash-after") == 0)
		raise(SIGSEGV);
	if (strcmp(v->action, "stop-after") == 0)
		raise(SIGSTOP);
	if (strcmp(v->action, "code-after") == 0)
		return v->argument;
	return rv;
}

#define WRAP(name, params, args)                       \
	static CK_RV shim_##name params                \
	{                                              \
		struct verdict v;                      \
		CK_RV rv = before(#name, 0, &v);       \
		if (rv != PASS)                        \
			return rv;                     \
		return after(&v, real->name args);     \
	}

WRAP(C_Initialize, (CK_VOID_PTR a), (a))
WRAP(C_Finalize, (CK_VOID_PTR a), (a))
WRAP(C_GetSlotList, (CK_BBOOL p, CK_SLOT_ID_PTR l, CK_ULONG_PTR n), (p, l, n))
WRAP(C_OpenSession, (CK_SLOT_ID s, CK_FLAGS f, CK_VOID_PTR a, CK_NOTIFY n, CK_SESSION_HANDLE_PTR h), (slot = s, f, a, n, h))
WRAP(C_Logout, (CK_SESSION_HANDLE h), (h))
WRAP(C_Login, (CK_SESSION_HANDLE h, CK_USER_TYPE t, CK_UTF8CHAR_PTR p, CK_ULONG n), (h, t, p, n))
WRAP(C_FindObjectsInit, (CK_SESSION_HANDLE h, CK_ATTRIBUTE_PTR a, CK_ULONG n), (h, a, n))
WRAP(C_GetAttributeValue, (CK_SESSION_HANDLE h, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR a, CK_ULONG n), (h, o, a, n))
WRAP(C_DestroyObject, (CK_SESSION_HANDLE h, CK_OBJECT_HANDLE o), (h, o))
WRAP(C_SignInit, (CK_SESSION_HANDLE h, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE o), (h, m, o))
WRAP(C_Sign, (CK_SESSION_HANDLE h, CK_BYTE_PTR d, CK_ULONG n, CK_BYTE_PTR s, CK_ULONG_PTR l), (h, d, n, s, l))
WRAP(C_DecryptInit, (CK_SESSION_HANDLE h, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE o), (h, m, o))
WRAP(C_GenerateKeyPair, (CK_SESSION_HANDLE h, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR a, CK_ULONG an, CK_ATTRIBUTE_PTR b, CK_ULONG bn,
	CK_OBJECT_HANDLE_PTR x, CK_OBJECT_HANDLE_PTR y), (h, m, a, an, b, bn, x, y))

static CK_RV shim_C_GetMechanismInfo(CK_SLOT_ID s, CK_MECHANISM_TYPE m, CK_MECHANISM_INFO_PTR i)
{
	struct verdict v;
	CK_RV rv = before("C_GetMechanismInfo", m, &v);
	return rv != PASS ? rv : after(&v, real->C_GetMechanismInfo(s, m, i));
}

static CK_RV shim_C_GetTokenInfo(CK_SLOT_ID s, CK_TOKEN_INFO_PTR i)
{
	struct verdict v;
	CK_RV rv = before("C_GetTokenInfo", 0, &v);
	if (rv != PASS)
		return rv;
	rv = real->C_GetTokenInfo(s, i);
	if (rv == CKR_OK && strcmp(v.action, "flags") == 0)
		i->flags |= v.argument;
	if (rv == CKR_OK && strcmp(v.action, "noflags") == 0)
		i->flags &= ~v.argument;
	return after(&v, rv);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	if (!real) {
		void *lib = dlopen(getenv("SHIM_MODULE"), RTLD_NOW | RTLD_LOCAL);
		CK_C_GetFunctionList get = lib ? (CK_C_GetFunctionList)dlsym(lib, "C_GetFunctionList") : NULL;
		if (!get || get(&real) != CKR_OK)
			return CKR_GENERAL_ERROR;
		/* Modules print what they like; it must not disturb anybody. */
		printf("shim: loaded\n");
		fflush(stdout);
		ours = *real;
		ours.C_Initialize = shim_C_Initialize;
		ours.C_Finalize = shim_C_Finalize;
		ours.C_GetSlotList = shim_C_GetSlotList;
		ours.C_OpenSession = shim_C_OpenSession;
		ours.C_Login = shim_C_Login;
		ours.C_Logout = shim_C_Logout;
		ours.C_FindObjectsInit = shim_C_FindObjectsInit;
		ours.C_GetAttributeValue = shim_C_GetAttributeValue;
		ours.C_DestroyObject = shim_C_DestroyObject;
		ours.C_SignInit = shim_C_SignInit;
		ours.C_Sign = shim_C_Sign;
		ours.C_DecryptInit = shim_C_DecryptInit;
		ours.C_GenerateKeyPair = shim_C_GenerateKeyPair;
		ours.C_GetMechanismInfo = shim_C_GetMechanismInfo;
		ours.C_GetTokenInfo = shim_C_GetTokenInfo;
	}
	*list = &ours;
	return CKR_OK;
}
