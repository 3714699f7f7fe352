/*-------------------------------------------------------------------------
 *
 * keyfile.c
 *	  The file that a mapping's api_key_file names.
 *
 * Links are followed: secrets that an orchestrator mounts are links, and only
 * who may read all files can set the path.  What is refused is what would
 * hang or fill memory: pipes, devices, large files.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "storage/fd.h"
#include "utils/acl.h"

#include "common/compat.h"
#include "net/keyfile.h"
#include "net/option.h"

#define MAX_KEY_BYTES (64 * 1024)

/* The path, for those who could set it: a PUBLIC mapping hides it from others. */
static int
path_detail(const QcEndpoint *endpoint)
{
	if (has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		return errdetail("The file is \"%s\".", endpoint->api_key_file);
	return 0;
}

static int
path_hint(void)
{
	return errhint("The operating system's user that runs the database must be able to read it. "
				   "To name another file, type: ALTER USER MAPPING ... "
				   "OPTIONS (SET api_key_file '...').");
}

/* With errno still of the call that failed. */
static void
file_error(const QcEndpoint *endpoint, const char *doing)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not %s the key file of server \"%s\": %m", doing, endpoint->name),
			 path_detail(endpoint),
			 path_hint()));
}

/* What is wrong with the content, never a piece of it. */
static void
content_error(const QcEndpoint *endpoint, const char *fault)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unusable key file of server \"%s\"", endpoint->name),
			 errdetail("%s.", fault),
			 errhint("The file must hold the key alone, on one line.")));
}

/* Nanoseconds too: a key may be changed twice within a second. */
static QcFileStamp
stamp_of(const struct stat *st)
{
	QcFileStamp stamp;

	stamp.seconds = st->st_mtime;
#ifdef __APPLE__
	stamp.nanoseconds = st->st_mtimespec.tv_nsec;
#else
	stamp.nanoseconds = st->st_mtim.tv_nsec;
#endif
	stamp.size = st->st_size;
	stamp.inode = st->st_ino;
	return stamp;
}

/* One stat a row: cheaper than a wrong key for as long as a session lives. */
bool
qc_keyfile_changed(const QcEndpoint *endpoint)
{
	struct stat st;
	QcFileStamp now;

	/* gone is also a change: reading it then says why */
	if (stat(endpoint->api_key_file, &st) != 0)
		return true;
	now = stamp_of(&st);
	return now.seconds != endpoint->key_stamp.seconds ||
		now.nanoseconds != endpoint->key_stamp.nanoseconds ||
		now.size != endpoint->key_stamp.size ||
		now.inode != endpoint->key_stamp.inode;
}

/* Read all of a file, or say why not; the result ends with a NUL. */
static char *
read_all(QcEndpoint *endpoint)
{
	/* NONBLOCK: opening a pipe must not wait for its writer */
	int			fd = OpenTransientFile(endpoint->api_key_file,
									   O_RDONLY | O_NONBLOCK | O_CLOEXEC | PG_BINARY);
	struct stat st;
	char	   *content;
	ssize_t		n;
	size_t		len = 0;

	if (fd < 0)
		file_error(endpoint, "open");
	if (fstat(fd, &st) != 0)
		file_error(endpoint, "examine");
	if (!S_ISREG(st.st_mode))
		content_error(endpoint, "It is not a regular file");
	if (st.st_size > MAX_KEY_BYTES)
		content_error(endpoint, "It is larger than 64 kB");

	content = MemoryContextAllocZero(endpoint->cxt, MAX_KEY_BYTES + 1);
	while (len < MAX_KEY_BYTES && (n = read(fd, content + len, MAX_KEY_BYTES - len)) != 0)
	{
		if (n < 0 && errno != EINTR)
			file_error(endpoint, "read");
		len += n > 0 ? n : 0;
	}
	CloseTransientFile(fd);
	endpoint->key_stamp = stamp_of(&st);

	if (strlen(content) != len)
		content_error(endpoint, "It holds a zero byte");
	return content;
}

void
qc_keyfile_read(QcEndpoint *endpoint)
{
	char	   *content = read_all(endpoint);
	size_t		len = strlen(content);
	const char *fault;

	/* editors and echo end a file with a newline */
	while (len > 0 && strchr(" \t\r\n", content[len - 1]))
		content[--len] = '\0';
	fault = qc_option_key_fault(content);
	if (fault)
		content_error(endpoint, fault);
	endpoint->api_key = MemoryContextStrdup(endpoint->cxt, content);
	pfree(content);
}
