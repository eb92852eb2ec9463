/**
 * Every bound of the agent, in one place, with its reason. Units are in the names. Relations between
 * bounds are asserted at the end, so that a change to one that breaks another fails at start.
 */
import { assert } from './assert.ts';

// --- requests from Docker and from our own API ---

/** Largest request taken. A container that publishes every TCP port sends 7 MB, since each port is named
 *  twice; there is no use for more. */
export const requestBytesMax = 8 * 1024 * 1024;
/** Longest text within a call; a path of some 100 characters is the longest in use. */
export const requestTextCharactersMax = 4_096;
/** Entries of a map or list of texts in a call: options, auxiliary addresses, DNS servers. */
export const requestEntriesMax = 1_024;
/** Ports of one container in a call: every port of TCP and of UDP. */
export const requestPortsMax = 131_072;
/** Largest head of a request; engines send 200 bytes. */
export const requestHeadBytesMax = 16 * 1024;
/** Connections served at once per socket; the engine uses 1 to 3, tools a few more. */
export const connectionsMax = 256;
/** Requests in work at once; beyond it the answer is BUSY, so that memory has a bound. */
export const requestsInFlightMax = 512;
/** Time for a client to send one request whole. Local sockets need microseconds. */
export const requestReceiveMs = 15_000;
/** How often connections are looked at for requests that never end. */
export const connectionSweepMs = 1_000;
/** At a stop, how long a connection that has asked nothing yet may still ask: a client connects in order
 *  to ask, and a call lost there is repeated without its content. */
export const stopFirstRequestMs = 250;
/** Times a socket path is tried while others change it. */
export const socketTriesMax = 5;

/** Answer bound of calls that change the data plane (CreateEndpoint, Join): far below the 30 s
 *  after which a managed plugin's call is given up by the engine. */
export const callSlowMs = 10_000;
/** Answer bound of calls that only need the store. */
export const callStoreMs = 5_000;
/** Answer bound of calls that need nothing: Activate, GetCapabilities, default address spaces. */
export const callInstantMs = 1_000;
/** How long a call waits for Open vSwitch to come (back) before it is refused with OVS_DOWN. */
export const ovsWaitMs = 2_000;
/** How much longer a container waits for its flows on a bridge that takes them, if slowly: a small host that boots
 *  does everything at once, and a container that is refused then is not started again by everybody. */
export const flowsWaitMs = 6_000;
/** How long the first calls wait for the store to finish opening before STARTING is answered. */
export const storeOpenWaitMs = 4_000;

// --- store ---

/** Longest key: keys are ours, 200 bytes is the longest in use. */
export const storeKeyBytesMax = 1024;
/** Longest value. */
export const storeValueBytesMax = 512 * 1024;
/** Compares plus operations of one transaction (etcd's default, too). */
export const storeTxnOpsMax = 128;
/** Rows of one page of a range. */
export const storeRangeRowsMax = 10_000;
/** Keys one deleteRange may remove; larger ones are paged by the caller. */
export const storeDeleteRangeMax = 10_000;
/** Rows that all ranges and deletes of one transaction may touch: keeps the event loop below 20 ms. */
export const storeTxnRowsMax = 10_000;
/** Transactions waiting for the disk before BUSY. */
export const storeQueueTxnsMax = 4_096;
/** Bytes waiting for the disk before BUSY. */
export const storeQueueBytesMax = 32 * 1024 * 1024;
/** Bytes of one synced batch, and of the keys and values sent with one transaction. */
export const storeBatchBytesMax = 1024 * 1024;
/** Bytes of what one transaction changes, before and after: 10 000 rows of 500 bytes deleted at once
 *  are 5 MB. Such a transaction is a batch of its own. */
export const storeChangeBytesMax = 8 * 1024 * 1024;
/** Bytes of all keys and values. One host's engine holds them in memory; 1 000 endpoints are 5 MB. */
export const storeStateBytesMax = 128 * 1024 * 1024;
/** LevelDB's write buffer: also the size to which its log grows before it is rotated, and so the
 *  time that reading it back takes at start. */
export const storeWriteBufferBytes = 4 * 1024 * 1024;
/** LevelDB's cache. Rows are read from our own memory, so only history needs it. */
export const storeCacheBytes = 256 * 1024;
/** Size of a block in LevelDB's tables: each costs it a system call to write, and nothing is looked up in them one
 *  by one. */
export const storeTableBlockBytes = 32 * 1024;
/** Revisions kept for watchers. */
export const storeHistoryRevisionsMax = 10_000;
/** Revisions compacted in one go, so that compaction never delays a write by much. */
export const storeCompactStep = 1_000;
/** Newest changes kept in memory for all watchers together: some 80 ms of the most that is written. A slower watcher
 *  reads from the disk, and is cancelled when it is further behind than the history kept. With 4 MiB 60 000 objects
 *  lived just long enough to be old when they died, which is what costs a collector most. */
export const storeWatchBytesMax = 512 * 1024;
/** Rows whose decoded values are kept for who reads the same ones next: one command of an operator and what
 *  follows from it read some 30. */
export const decodedRowsMax = 256;
/** Longest row of those; most have below 500. */
export const decodedRowCharactersMax = 4_096;
/** Addresses kept as they were read, some 100 bytes each: those that a command names, and that what follows from it
 *  reads again. */
export const parsedAddressesMax = 512;
/** Rows kept as they are shown, some 1 KB each: all of a large site's kind, which scripts list again and again. */
export const shownRowsMax = 20_000;
/** Watchers at once. */
export const storeWatchersMax = 1_024;
/** Free share of the disk, in percent, below which writes that grow the store are refused … */
export const storeFreePercentMin = 10;
/** … and free bytes that are enough on any disk: 256 write buffers. */
export const storeFreeBytesMin = 256 * 1024 * 1024;
/** How often free space is looked at. */
export const storeSpaceCheckMs = 5_000;
/** Room that opening the store needs besides that of LevelDB's logs, which become tables: new files, and
 *  the notes that we write. */
export const storeOpeningBytes = 2 * 1024 * 1024;
/** Room set aside for opening the store on a full disk: two logs, and what opening needs besides. */
export const storeReserveBytes = 12 * 1024 * 1024;
/** Entries written and removed, after which the tables are worth tidying … */
export const storeTidyOperations = 50_000;
/** … when nothing was written for this long: it takes some tenths of a second of a processor. */
export const storeTidyIdleMs = 1_000;
/** Bytes of LevelDB's tables that are read before it opens them: some 4 ms per MiB. More are read in the
 *  background, so that a start stays short. */
export const storeTableAuditBytes = 2 * 1024 * 1024;
/** Pause before each table read in the background; reading one keeps the event loop for 10 ms. */
export const storeTablePauseMs = 250;
/** Forgotten blocks of the log removed with one write: some 3 ms. */
export const storeClearStep = 1_000;
/** Entries in one block of the log, and characters of them: what a start reads at once, and what is forgotten
 *  at once. */
export const storeBlockEntriesMax = 256;
export const storeBlockCharactersMax = 128 * 1024;
/** Changes in one change record, and characters of them: more cost a watcher that reads old ones more than
 *  they save a writer. */
export const storeRecordChangesMax = 64;
export const storeRecordCharactersMax = 64 * 1024;
/** Keys of other generations removed with one write. A part of a snapshot has about as many, so that
 *  attempts that are given up do not pile up. */
export const storeSweepStep = 1_000;
/** Times a compare-and-set is tried again before STORE_CONFLICT. */
export const storeRetriesMax = 16;

// --- consensus ---

/** Learners at once: each gets the whole log from the leader. */
export const raftLearnersMax = 2;
/** Observers that one member feeds. 1 000 hosts on 5 voters and relays are 64 each; 300 on 3 voters are
 *  100. */
export const raftObserversMax = 128;
/** An observer that did not ask again for this many election timeouts is fed no more. */
export const raftFeedExpiryTimeouts = 10;
/** An observer without news hears of its feeder every so many election timeouts. */
export const raftFeedIdleTimeouts = 2;
/** A witness waits this many times as long as others before it stands for election, since it would
 *  only hand leadership on. */
export const raftWitnessPatience = 2;

// --- cluster ---

/** Entry and record types that every version knows. */
export const featureLevelFirst = 1;
/** Entry and record types that this version knows. */
export const featureLevelNewest = 1;
/** Members of a cluster. Fan-out to 300 observers of one voter takes 5 ms; beyond 1000 etcd is the better
 *  store. */
export const clusterMembersMax = 1_000;
/** Voters: each write waits for a majority, and 7 survive any three. */
export const clusterVotersMax = 7;
/** Removed members remembered, so that they can be told; an older one is told that it is unknown. */
export const clusterRemovedMax = 1_024;
/** Open join tokens; all are cleaned up in one transaction. */
export const clusterTokensMax = 100;
/** How often the leader looks at what members are meant to be. */
export const clusterLoopMs = 500;
/** A member that was silent this long is not counted as alive when voters change. */
export const clusterAliveMs = 5_000;
/** How long a command waits for a change of members to be done before it says that it goes on. */
export const clusterChangeWaitMs = 60_000;
/** A write that finds no leader waits this long: two elections, so that a failover goes unnoticed. */
export const quorumWaitMs = 5_000;
/** Pause before a member asks again that a leader could not serve yet. */
export const submitRetryMs = 20;
/** A request to another member that is unanswered this long is tried elsewhere. */
export const peerRequestMs = 2_000;

// --- connections between members ---

/** A member's certificate holds this long. Ten years, since nobody renews by hand on an edge host, and
 *  dates are a warning only; membership decides who may take part. */
export const certificateValidMs = 3_652 * 24 * 3_600_000;
/** An authority outlives the certificates that it makes in its first twenty years. */
export const authorityValidMs = 10_957 * 24 * 3_600_000;
/** 2026-01-01: this program is younger, so a clock that shows an earlier time is wrong. */
export const certificateClockFloorMs = 1_767_225_600_000;
/** Entries in one message; the core sends fewer, and 64 of 300 bytes take 10 us. */
export const peerEntriesMax = 4_096;
/** Largest frame before both sides know each other: a HELLO is 600 bytes, a request to join 3 KiB. */
export const peerHandshakeBytesMax = 16 * 1024;
/** Longest text of an error as it is told: with its fix it must fit a frame before both sides know each
 *  other, every character escaped. */
export const peerRefusalCharactersMax = 1_024;
/** Frames of one lane (messages, or requests with answers) under way to a member … */
export const peerWindowFramesMax = 256;
/** … and their bytes: at 100 ms round trip still 40 MB/s. */
export const peerWindowBytesMax = 4 * 1024 * 1024;
/** Frames of one turn are joined to writes of this size: a TLS record is 16 KiB. */
export const peerWriteBytes = 64 * 1024;
/** Requests to one member without an answer, and of one member in work, before BUSY. */
export const peerRequestsMax = 1_024;
/** Bytes of answers that wait for a member to take what it was sent. */
export const peerAnswerBytesMax = 16 * 1024 * 1024;
/** How often connections are looked at: deadlines of requests are this exact. */
export const peerTickMs = 100;
/** A ping goes out this often; it also carries credit. */
export const peerPingMs = 1_000;
/** A connection that is silent this long is given up: four pings. */
export const peerSilentMs = 4_000;
/** Time for a connection to be made (TCP), before the next address is tried. */
export const peerConnectMs = 2_000;
/** Time from there until both sides have agreed to talk, waiting for a turn included. */
export const peerHandshakeMs = 8_000;
/** Reconnect delays: first, and the ceiling they double up to; each is drawn from its upper half. */
export const peerReconnectFirstMs = 50;
export const peerReconnectMaxMs = 2_000;
/** The ceiling after refusals: little changes there until a person does something. */
export const peerRefusedRetryMs = 5_000;
/** A connection that lasted this long was a success: the next delay is the first again. */
export const peerSteadyMs = 5_000;
/** Time for last words to leave before a connection is cut. */
export const peerLastWordsMs = 1_000;
/** Connections accepted at once, members and strangers: more than a cluster has members. */
export const peerConnectionsMax = 1_536;
/** TLS handshakes begun in one turn of the event loop, each up to 2.5 ms of work: 300 hosts that connect
 *  in the same moment take turns with everything else. */
export const peerHandshakesPerTurn = 4;
/** Addresses in a join token: those of three to five voters. */
export const joinAddressesMax = 16;
/** Longest of them: a DNS name has 253 characters, and a token is to be pasted. */
export const joinAddressCharactersMax = 128;
/** Longest join token: all addresses of the longest kind. */
export const joinTokenCharactersMax = 3_072;
/** Requests to join in work at once, and begun per second: each is a replicated transaction. */
export const joinRequestsMax = 32;
export const joinRequestsPerSecond = 50;
/** What a host tells of itself when it joins, as JSON. */
export const joinFactsBytesMax = 8 * 1024;
/** Time for the cluster to let a host in: a few elections. */
export const joinAnswerMs = 30_000;
/** Pause before a host asks again that could not be let in just now. */
export const joinRetryMs = 500;
/** Largest file by which a host joins that meets the others by USB stick: 1 000 members of 300 bytes. */
export const joinFileBytesMax = 1024 * 1024;
/** Largest frame: the largest transaction as JSON in JSON, every character escaped, is 6 MiB. */
export const peerFrameBytesMax = 8 * 1024 * 1024;

// --- store: the replicated state machine; every member must have the same ---

/** Bytes of the cluster's own rows: 1 000 members, their tokens and certificates are 4 MB. */
export const storeSystemBytesMax = 16 * 1024 * 1024;
/** Machine time moves at most this far with one command, so that a clock that jumps ages nobody much. */
export const machineTimeStepMs = 60_000;
/** Clients with numbered commands; beyond it the one that was silent longest is forgotten. A host has
 *  one or two. */
export const storeSessionsMax = 10_000;
/** Answers remembered per client that it has not acknowledged; more than it may have in flight. */
export const storeSessionRepliesMax = 1_024;
/** Bytes of one remembered answer; of a larger one only the revision is remembered. */
export const storeSessionReplyBytesMax = 4 * 1024;
/** Bytes of a client's remembered answers; beyond it only their revisions are. The record is written
 *  whole when the client did something. */
export const storeSessionBytesMax = 128 * 1024;
/** Bytes of the answers of all clients; beyond it the one that was silent longest is forgotten. */
export const storeSessionsBytesMax = 16 * 1024 * 1024;
/** Shortest lease: several elections at the default timeout. */
export const storeLeaseTtlMinMs = 1_000;
/** Longest lease: longer than any outage that a lease should outlive. */
export const storeLeaseTtlMaxMs = 24 * 3_600_000;
/** Leases at once: ten for each of 1 000 hosts. */
export const storeLeasesMax = 10_000;
/** Keys of one lease: all of them go in one change when it ends, as with a delete of a range. */
export const storeLeaseKeysMax = 10_000;
/** Bytes of rows and records in one part of a snapshot (a single larger row is a part of its own). */
export const storePartBytes = 256 * 1024;

// --- etcd as the store ---

/** Endpoints of one etcd: it has at most 7 voters in practice, and proxies. */
export const etcdEndpointsMax = 16;
/** Longest prefix of our keys in etcd. */
export const etcdPrefixBytesMax = 256;
/** Requests at once, each on a connection of its own. etcd's throughput grows little beyond 64 clients;
 *  the rest waits here (`storeQueueTxnsMax`, `storeQueueBytesMax`). */
export const etcdRequestsMax = 64;
/** Time for a connection to be made, TLS included. */
export const etcdConnectMs = 2_000;
/** Time for a write. etcd gives up by itself after 7 s (5 s and two elections); its word is better. */
export const etcdWriteMs = 8_000;
/** Time for one attempt of a read; the next endpoint is asked then. */
export const etcdReadMs = 3_000;
/** How long a request that etcd refused, without having done anything, is tried at all endpoints: two
 *  elections at etcd's defaults, or the restart of a single node. */
export const etcdRefusedMs = 4_000;
/** Pause after each endpoint was tried once. */
export const etcdRetryPauseMs = 100;
/** Pause before a member is asked again that has not reached the revision of a local read. */
export const etcdBehindPauseMs = 20;
/** Largest answer, and largest message of a watch: 48 MiB of keys and values in base64. */
export const etcdAnswerBytesMax = 64 * 1024 * 1024;
/** Changes kept per watcher that its reader has not taken; then the watch is ended, and begun again where
 *  it was once they are taken. */
export const etcdWatchBufferBytes = 2 * 1024 * 1024;
/** Silence of a watch after which its endpoint is asked whether it lives. */
export const etcdWatchIdleMs = 5_000;
/** Pause before a watch that was lost is begun again: first, and the ceiling it doubles up to. */
export const etcdWatchRetryFirstMs = 50;
export const etcdWatchRetryMaxMs = 2_000;

// --- store: the driver of a member ---

/** One tick. Short against a heartbeat, long against a turn of the event loop. */
export const driverTickMs = 50;
/** How long followers may learn later what is committed, if the next entries do not say it before. */
export const noticeMs = 1;
/** The same while changes come one after the other: what makes the next one has an API and a plan to pass. */
export const noticeLongMs = 4;
/** Entries so soon after others are taken to be followed by more: a script's next command. */
export const noticeOftenMs = 50;
/** Ticks between heartbeats: 100 ms, etcd's default. */
export const driverHeartbeatTicks = 2;
/** Least ticks without a leader before an election: 1 s, etcd's default; the timeout is up to twice that. */
export const driverElectionTicks = 20;
/** Entries in one synced batch or one proposal to the core: 1 000 block Node for 7 ms. */
export const driverBatchEntriesMax = 512;
/** Bytes of the same. */
export const driverBatchBytesMax = 1024 * 1024;
/** Appends to one member that are not answered yet: what is on the way at 1 ms and 10 000 writes/s. */
export const driverMessagesInFlightMax = 64;
/** A learner may become a voter when it is this close to the end of the log … */
export const driverLearnerLagEntriesMax = 1_000;
/** … for this long: 10 s. */
export const driverLearnerSteadyTicks = 200;
/** Proposals not answered yet, before `busy`: 1 s of the fastest writing seen would be more. */
export const driverProposalsMax = 4_096;
/** Bytes of the same. */
export const driverProposalBytesMax = 32 * 1024 * 1024;
/** Entries applied in one go, some 20 us each, before others have their turn. */
export const driverApplyEntriesMax = 256;
/** Bytes of the same; at least one entry is applied. */
export const driverApplyBytesMax = 1024 * 1024;
/** Entries applied and not written with the state before it rides with a write of the log: a fourth less
 *  work per write with one writer than when it always rides. */
export const driverDeltaRideEntries = 256;
/** Bytes of the same, so that what waits stays small, and the write that carries it short. */
export const driverDeltaRideBytes = 256 * 1024;
/** Ticks in which nothing else was written before the changed state is written for itself. */
export const driverDeltaIdleTicks = 2;
/** Entries applied and not written with the state before it is written for itself: what a start repeats. */
export const driverDeltaEntriesMax = 1_024;
/** Readers waiting for leadership to be confirmed, before `busy`. */
export const driverReadersMax = 8_192;
/** Callers waiting for an entry to be applied: all readers and writers of a host. */
export const driverApplyWaitersMax = 16_384;
/** Messages that wait for the disk. Beyond it the oldest are dropped, as a network might. */
export const driverHeldSendsMax = 4_096;
/** Log kept for members that are behind, when nobody needs more. */
export const driverLogEntriesKept = 5_000;
/** Bytes of the same. */
export const driverLogBytesKept = 32 * 1024 * 1024;
/** Log kept at most, for members that need it: a member further behind gets a snapshot. */
export const driverLogEntriesMax = 10_000;
/** Bytes of the same. */
export const driverLogBytesMax = 64 * 1024 * 1024;
/** Entries dropped from the log in one batch, at least (when nothing forces it) … */
export const driverCompactEntriesMin = 512;
/** … and at most, so that a batch stays short. */
export const driverCompactEntriesMax = 4_096;
/** Snapshots sent at once: each is read from memory by a peer's speed. */
export const driverTransfersMax = 2;
/** Ticks after which a part of a snapshot that was not acknowledged is sent again: 2 s. */
export const driverPartResendTicks = 40;
/** Ticks without progress after which a snapshot is given up: 30 s. */
export const driverTransferSilentTicks = 600;
/** Ticks between two requests of an observer to be fed: one election timeout at most is lost. */
export const driverSubscribeTicks = 20;
/** Ticks between two comparisons of the state with the leader's: 10 s; the digest is kept up anyway. */
export const driverDigestTicks = 200;
/** Ticks between two looks at the leases: they end up to 200 ms late. */
export const driverLeaseTicks = 4;
/** Ends of leases under way: each may delete 10 000 rows. */
export const driverLeaseEndsMax = 64;
/** Ticks over which the longest stall of the event loop is kept for the status: a minute. */
export const driverStallTicks = 1_200;
/** Ticks for a transfer of leadership before its outcome is called unknown: three election timeouts. */
export const driverHandoverTicks = 60;

/** How long a request to hand leadership over waits: longer than the leader itself does. */
export const transferWaitMs = 10_000;
/** How long a host that lost its data asks to be let in again, before it gives up and is started again. */
export const rejoinTimeoutMs = 20_000;
/** A member that was heard of this recently is not its own next start: pings go every second. */
export const memberCopyMs = 1_500;
/** How long a member that closes waits for another to lead: an election would take longer. */
export const handOverWaitMs = 1_000;
/** How long joining tries the addresses of a token. */
export const joinTimeoutMs = 20_000;
/** Port that members listen on unless told otherwise; none is assigned to it by IANA. */
export const peerPortDefault = 8_470;
/** How long a status waits for members to say how they are, and for an election to end. */
export const clusterFactsMs = 3_500;
/** By how much revisions jump when a cluster goes on under a new epoch: more than any lost future had. */
export const recoveryRevisionStep = 1_000_000_000;
/** Largest snapshot file: the largest state, with half of its characters escaped. */
export const snapshotBytesMax = 768 * 1024 * 1024;
/** Longest line of a snapshot file: the largest value, with every character escaped. */
export const snapshotLineCharactersMax = 4 * 1024 * 1024;
/** A certificate that ends within this time is warned about: a maintenance window is a quarter away. */
export const certificateWarnMs = 90 * 86_400_000;
/** Life of a join token: long enough to walk to the other host, short enough to forget about. */
export const tokenTtlMinMs = 60_000;
export const tokenTtlMaxMs = 30 * 86_400_000;
/** Hosts that join with one token: a whole site. */
export const tokenUsesMax = 1_000;

/** Rows of an older version moved by one transaction: each is a compare, a put and a delete. */
export const adoptRowsStep = 40;

// --- systemd ---

/** How long Docker, which starts after us, waits at boot for a store that takes its time; its calls wait then. */
export const readyWaitMs = 10_000;

/** Size of the agent's settings file: every option with its longest value has a tenth of it. */
export const configFileBytesMax = 64 * 1024;

// --- syslog ---

/** A message of syslog: what rsyslog takes unless it is told otherwise; servers should take 2048 (RFC 5424 section 6.1). */
export const syslogMessageBytesMax = 8 * 1024;
/** Text of a line that is too long for a message with all of its facts. */
export const syslogTextCharactersMax = 1_024;
/** Lines that wait for a server: a minute of a busy agent at level debug, and some hundred kilobytes. */
export const syslogLinesMax = 1_000;
/** A connection that is not there by then waits for somebody who is not there. */
export const syslogConnectMs = 5_000;
/** A server that takes nothing for so long is stuck. */
export const syslogSendMs = 10_000;
/** Between two tries, doubled up to the second. */
export const syslogPauseMs = 500;
export const syslogPauseMaxMs = 30_000;
/** An agent that stops waits so long for the last lines to go. */
export const syslogFlushMs = 1_000;

// --- bundles ---

/** Files of a bundle: some hundred man pages and units. Somebody's home given by mistake has more. */
export const bundleFilesMax = 2_000;
/** Program headers of a program or library; there are about ten. */
export const elfHeadersMax = 128;
/** Bytes of a dynamic section: some hundred entries of 16 bytes. */
export const elfDynamicBytesMax = 64 * 1024;
/** Bytes of a name in a program: a file name, or the path of a dynamic linker. */
export const elfNameBytesMax = 4_096;
/** config.json of a managed plugin; ours has some 10 kB. */
export const pluginConfigBytesMax = 1024 * 1024;
/** Characters of a managed plugin's socket: engines put it below /run/docker/plugins and an id of 64, and the path of
 *  a socket has 107 bytes at most. */
export const pluginSocketNameCharactersMax = 22;
/** How long a managed plugin tries to reach the agent of the host for one call: an agent that restarts is back in
 *  seconds, and engines give a call up after 30 s. */
export const managedCallMs = 20_000;
/** How often it tries. */
export const managedRetryMs = 100;

assert(driverHeartbeatTicks * 4 <= driverElectionTicks, 'one lost heartbeat is no election');
assert(
  driverLogEntriesKept < driverLogEntriesMax && driverLogBytesKept < driverLogBytesMax,
  'members that need more of the log than others get more',
);
assert(
  driverReadersMax + driverProposalsMax <= driverApplyWaitersMax,
  'every reader and every author may wait for an entry',
);
assert(
  driverPartResendTicks < driverTransferSilentTicks,
  'a part is sent again before it is given up',
);

// --- addresses ---

/** Released addresses remembered per pool, so that the oldest is reused first. */
export const releasedAddressesMax = 4_096;
/** Address records read per page when looking for a free one. */
export const addressPageRows = 256;
/** Bits of an address within the largest block that a host takes of a shared pool: 64 addresses, which hosts
 *  seldom have more of in one network. */
export const blockBitsMax = 6;
/** The same of the smallest block; pools that have no room for such ones have none: a handful of addresses is
 *  looked through at once. */
export const blockBitsMin = 3;
/** A pool has 16 blocks at least, so that as many hosts have one each. */
export const poolBlocksBits = 4;
/** Blocks of a pool that one host has: more containers than run on a host. What it needs beyond them, it looks
 *  for in all of the pool. */
export const hostBlocksMax = 16;
/** Blocks without an owner that are looked through before all of the pool is: such a one is seldom full. */
export const blockTriesMax = 4;
/** How long `fairlead ipam check` waits between its two looks: longer than Docker takes from asking for an
 *  address to making the endpoint, and flows to follow. */
export const addressCheckPauseMs = 2_000;
/** Largest number of auxiliary addresses or pools in one network. */
export const networkPoolsMax = 64;
/** Pools of one address space: two families for every VLAN tag. All are read to find an overlap. */
export const spacePoolsMax = 8_192;
/** Addresses of a pool of the model that one step takes back from a swarm: two compares and a change each. */
export const swarmReturnRows = 32;
/** Address records removed by one step of ReleasePool; those that appear meanwhile must fit, too. */
export const poolReleaseRows = 5_000;
/** Released addresses forgotten in one transaction: each needs a compare and a delete. */
export const releasedTrimRows = 60;
/** Rows of a removed host that one transaction deletes. */
export const removalPageRows = 1_000;
/** Ranges one plan may read. The most is a search through a full /16, a page at a time. */
export const planReadsMax = 1_024;
/** Rows of a page where all of a range is read: what is made of a page (some 10 µs a row) takes no longer than a
 *  container's attachment may wait. */
export const readPageRows = 1_000;
/** Rows that a look takes before all else has a turn. */
export const lookTurnRows = readPageRows;
/** Ranges one look may read. What a look needs is read in pages, so these are more rows than a host has memory for. */
export const lookReadsMax = 65_536;
/** Groups that a look reads one by one; where it needs more of them, it reads all of the tenant at once. */
export const groupsAloneMax = 16;

// --- objects ---

/** Longest tag by which Docker networks refer to a network or group, as Contiv had it. */
export const objectTagCharactersMax = 128;
/** Longest name of a service, as Contiv had it. */
export const serviceNameCharactersMax = 256;
/** Policies of one group: with its other links and numbers a group is written in one transaction. */
export const groupPoliciesMax = 18;
/** Groups of contracts of one group; for the same reason. */
export const groupContractsMax = 8;
/** Groups of one application profile: each is a link and a guard, in one transaction with those that were
 *  there before. */
export const profileGroupsMax = 28;
/** Policies that groups have, all together. */
export const policiesEnforcedMax = 65_535 * groupPoliciesMax;
/** Conjunctions in one flow: 16 bytes each, of a message that has at most 65 535. */
export const conjunctionsMax = 3_950;
/** Contracts of one group of them. */
export const contractsMax = 256;
/** Labels that one service asks for. */
export const serviceSelectorsMax = 64;
/** Longest label of a service, key and value together. */
export const serviceSelectorCharactersMax = 512;
/** Labels that one group asks for: as many as a service. */
export const groupSelectorsMax = serviceSelectorsMax;
/** Ports of one service. */
export const servicePortsMax = 64;
/** Containers behind one service that get new connections: a bucket of each takes up to 88 bytes of a message of at
 *  most 65 535, and Open vSwitch shares out 256 hashes at most, so that more would have unequal shares. */
export const serviceBackendsMax = 64;
/** Ways a service was, the latest, whose connections are kept: as many as fit the row of one that asks for all that it
 *  may; who gives new versions a label of their own needs two. */
export const serviceEarlierMax = 4;
/** Parts into which clients of a service are divided that stay with their container: six bits of an address. */
export const serviceSlotsMax = 64;
/** Labels of a container that its host tells the others, the first by name, and the longest, key and value together:
 *  longer than what a service may ask for says nothing. Others are left out. */
export const containerLabelsMax = 64;
/** Other names of a container in one network that are told, the first by name: as many as a compose file gives with room
 *  to spare. */
export const containerAliasesMax = 16;
/** Longest label of a name, and longest name with the lengths of its labels and its end, bytes (RFC 1035 section 2.3.4);
 *  as text without these. */
export const dnsLabelBytesMax = 63;
export const dnsNameBytesMax = 255;
export const dnsNameCharactersMax = 253;
/** Largest answer by UDP, bytes: of old (RFC 1035 section 4.2.1), and to who can take more, so that it is in one piece on
 *  every path (RFC 9715 section 3.2 with its 1400, less than the 1280 of IPv6 with its heads). */
export const dnsPlainBytes = 512;
export const dnsEdnsBytes = 1_232;
/** Largest message by TCP, which has its length before it in 16 bits (RFC 1035 section 4.2.2). */
export const dnsStreamBytesMax = 65_535;
/** Questions for names that a host's agent looks at, a second: some 50 us each. */
export const nameQueriesPerSecond = 2_000;
/** How long the flows ask an agent that says nothing more, s, and how often it says so: an agent that has died costs
 *  questions of this time, which resolvers repeat after five seconds (resolv.conf(5)). */
export const nameLampSeconds = 3;
export const nameLampRepeatMs = 1_000;
/** How long an answer may be kept, s: containers move, and asking again costs a millisecond. */
export const nameAnswerTtlSeconds = 5;
/** How long the name of a container that went is still ours, and how many of a tenant are remembered: a restart takes
 *  seconds, an upgrade minutes. */
export const departedNameMs = 3_600_000;
export const departedNamesMax = 4_096;
/** Ties between groups, and groups of one tie, that the health of a host names: as many as a line can be read with. */
export const tiesShownMax = 8;
export const tiedGroupsShownMax = 8;
/** How long a container that was told to stop gets nothing new, if it does not: the longest that people let one take. */
export const containerStoppingMs = 300_000;
/** Services that a host knows at a time: each has 128 group numbers of 24 bits. */
export const servicesOnHostMax = 131_072;
/** How often a service asks whether a port answers, if it does not say: a container that hangs gets nothing new after
 *  some 15 s. The longest is what is still called a check. */
export const checkIntervalSecondsDefault = 5;
export const checkIntervalSecondsMax = 3_600;
/** How long an answer may take: it is the kernel of the same machine that gives it. */
export const checkTimeoutSecondsDefault = 1;
export const checkTimeoutSecondsMax = 60;
/** Rounds without an answer, one after the other, until a container is not ready: one may be lost on a busy machine. */
export const checkFailuresDefault = 3;
export const checkFailuresMax = 100;
/** Ports that a host asks, a second and at once, some 100 us of its agent each: of those of a service with the most
 *  ports none waits for another. */
export const checkTriesPerSecond = 500;
export const checkTriesBurst = 500;
/** The same of one container, so that the answers fit its meter, and the answers of one that are taken: TCP repeats what
 *  is lost. What one container says too often is no other's loss. */
export const containerTriesPerSecond = 64;
export const containerTriesBurst = servicePortsMax;
export const containerAnswersPerSecond = 2 * containerTriesPerSecond;
export const containerAnswersBurst = 4 * containerTriesBurst;
/** Answers that are waited for at a time: each is a number in a map. */
export const checkTriesUnderWayMax = 4_096;
/** Ports that a host asks in turn: with all of them a round takes 16 s. */
export const checkPortsOnHostMax = 8_192;
/** Services that check one container, the first by name: those that it fails are in its row, with names of 256. */
export const containerChecksMax = 64;
/** How late an agent may be with its own work until it does not blame others for missing answers: less than the
 *  shortest time that an answer may take. */
export const checkLateMs = 500;
/** Pause until those are asked that wait for their turn. */
export const checkTurnMs = 50;
/** Longest address of a rule: an IPv6 block. */
export const ruleAddressCharactersMax = 64;
/** Priorities of rules, as Contiv had them. */
export const rulePriorityMax = 100;
/** Largest IP protocol number (RFC 791). */
export const ipProtocolMax = 255;
/** Largest differentiated services code point (RFC 2474). */
export const dscpMax = 63;
/** Largest burst of a network profile, kilobytes, as Contiv had it. */
export const netprofileBurstMax = 10_486;
/** Largest rate and burst of an OpenFlow meter, kilobits: fields of 32 bits (OpenFlow 1.3.5 section 7.3.4.4). */
export const meterKilobitsMax = 0xffff_ffff;
/** Smallest burst of a limit, kilobytes: a packet that is larger never passes, and one may be of 64 before it is cut. */
export const limitBurstMin = 80;
/** Longest list of ACI bindings, as Contiv had it. */
export const bindingsCharactersMax = 2_048;
/** Longest name of a host in BGP objects, as Contiv had it. */
export const bgpHostCharactersMax = 256;
/** Endpoint groups: 16 bits, as Contiv had them. */
export const endpointGroupNumberMax = 65_535;
/** Pools of groups in one network: all are read to find a free address beside them. */
export const groupPoolsMax = 1_024;
/** Rules that are removed together with their policy, in one transaction. */
export const policyRulesRemoved = 9_000;
/** Groups that these rules may name altogether: each needs an operation of its own. */
export const policyGroupsRemoved = 100;
/** How often a host tells the others how often its rules decided, if they did: what is shown of other hosts is as old. */
export const hitsTellMs = 30_000;
/** How much of it is told at a time: a hundred hosts with ten thousand busy rules each write 54 KB a second together, and
 *  each tells of all of them in ten minutes. */
export const hitsTellBytesMax = 16 * 1024;
/** Rows in one such transaction. */
export const hitsTellRowsMax = 64;
/** Rows for the rules of a policy: a row of one with 10 000 rules is 5 KB. */
export const hitsPartsMax = 64;
/** Rules and defaults of which a host tells, 40 bytes each: a hundred hosts that all tell of so many keep 40 MB
 *  (`storeStateBytesMax`). */
export const hitsToldMax = 10_000;

// --- REST of objects ---

/** Largest body of a command: the longest lists that an object may have, at their longest. */
export const apiBodyBytesMax = 256 * 1024;
/** Headers of one request. */
export const apiHeadersMax = 64;
/** Longest text in a header of an answer. */
export const apiHeaderCharactersMax = 512;
/** A name that is being removed from hosts is waited for: each asks its engine to, one after the other. */
export const objectLeavingMs = 10_000;
/** The longest pause between two looks at it: a host needs some tenths of a second. */
export const objectLeavingPauseMs = 256;
/** How long a command is tried while other hosts change what it is about, and the longest pause between. */
export const objectConflictMs = 4_000;
export const objectPauseMaxMs = 64;
/** Commands that wait so at the same time: one more is told at once what it would wait for. Half of the changes
 *  that may be in work, so that others go on. */
export const objectWaitersMax = 32;
/** Shortest token of the API by TCP: 96 random bits in base64. */
export const apiTokenCharactersMin = 16;
/** Changes of objects in work at the same time, and as many looks at them; one more is told to come again. Looks
 *  have places of their own: a change may wait for other hosts. */
export const apiRequestsMax = 64;

/** How long a part of the agent's state is waited for that a debugger asked for: the others are shown without it. */
export const apiDebugPartMs = 2_000;
/** Objects on one page of a list, unless the client asks for fewer. */
export const apiPageObjectsMax = 1_000;
/** Conditions of one selector. */
export const selectorConditionsMax = 16;
/** Clients that watch objects at the same time; one more is told to come again. */
export const apiWatchesMax = 64;
/** How long a watch is silent: whoever is between ends connections that are silent for half a minute. */
export const apiWatchBeatMs = 15_000;
/** How long to wait for a store to say that what a watch is to begin with is forgotten. */
export const apiWatchOpenMs = 50;
/** How long somebody who presses Tab waits for names, and how many are shown. */
export const completionMs = 1_000;
export const completionNamesMax = 200;
/** Documents in one request, and their size: a site of ten thousand objects in one go. */
export const apiDocumentsMax = 20_000;
export const apiDocumentsBytesMax = 16 * 1024 * 1024;

// --- Open vSwitch ---

/** Largest JSON message taken from ovsdb-server: 10 000 ports are 3.4 MB. */
export const ovsdbMessageBytesMax = 64 * 1024 * 1024;
/** Deepest JSON nesting in a message from ovsdb-server. */
export const ovsdbDepthMax = 64;
/** Requests waiting for an answer of ovsdb-server. */
export const ovsdbInFlightMax = 1_024;
/** Bytes waiting to be sent to ovsdb-server; a transaction that adds 100 ports is below 100 KiB. */
export const ovsdbSendBytesMax = 32 * 1024 * 1024;
/** Callers waiting for Open vSwitch to come back or to take up a change; more than requests exist. */
export const ovsdbWaitersMax = 1_024;
/** Changes of ours that vswitchd has not taken up yet and that are told apart; later ones merge. */
export const ovsdbConfigurationsMax = 1_024;
/** An ovsdb request unanswered this long means the server hangs. */
export const ovsdbRequestMs = 5_000;
/** Idle time after which we send an echo; the server never does on unix sockets. */
export const ovsdbEchoIdleMs = 5_000;
/** Reconnect delays: first, and the ceiling it doubles up to. */
export const ovsdbReconnectFirstMs = 50;
export const ovsdbReconnectMaxMs = 2_000;
/** An OpenFlow request unanswered this long, or an answer that stops this long in the middle, means that
 *  vswitchd hangs: it works off 20 000 flows in 0.2 s. */
export const openflowRequestMs = 5_000;
/** Idle time after which we send an OpenFlow echo; the switch never does on its management socket. */
export const openflowEchoIdleMs = 5_000;
/** OpenFlow requests waiting for an answer. */
export const openflowInFlightMax = 1_024;
/** Callers waiting for the OpenFlow connection to come back. */
export const openflowWaitersMax = 1_024;
/** Bytes of OpenFlow messages written, or read, in one go: some 400 flows, which takes 2 ms. */
export const openflowSliceBytes = 64 * 1024;
/** Bytes of OpenFlow messages that wait to be sent, all callers together. */
export const openflowSendBytesMax = 16 * 1024 * 1024;
/** Refused messages of one list that an error tells; the rest is counted. */
export const openflowRefusalsMax = 32;
/** Entries of one answer, such as flows of a bridge: 100 times what a host is meant to have. */
export const openflowEntriesMax = 1_000_000;
/** Reconnect delays of the OpenFlow connection: first, and the ceiling it doubles up to. A switch that was
 *  started again forwards nothing before it has its flows, and an attempt in vain takes 0.1 ms. */
export const openflowReconnectFirstMs = 10;
export const openflowReconnectMaxMs = 40;
/** A switch that has been away so long is stopped, not started again: a host without Open vSwitch spent 1 % of a
 *  processor on these attempts. */
export const openflowMissingAfterMs = 10_000;
export const openflowMissingPauseMs = 200;
/** Neighbours told to a switch at once, each over a connection of its own. */
export const neighboursToldAtOnce = 32;
/** vswitchd is called stalled when it has not taken up a committed change for this long. */
export const ovsStalledMs = 10_000;
/** How often a dead ovs-vswitchd is looked for: it is back within a second of its restart. */
export const vswitchdProbeMs = 200;
/** Ports removed in one transaction. Each costs vswitchd 15 to 18 ms in which nothing is forwarded
 *  (userspace datapath), so removals are paced. */
export const portRemovalsPerTxn = 2;
/** Pause between two removal transactions. */
export const portRemovalPauseMs = 50;
/** Pause after the bridge refused flows, doubled from the first to the last: it is compared anew each time. */
export const flowRetryFirstMs = 100;
export const flowRetryMaxMs = 10_000;
/** Least time between two moments at which a switch in user space forgets what it has decided. With 10 000 rules five times
 *  a second made a rule's coming take half as long again. */
export const pastDecisionsPauseMs = 1_000;
/** How often it is tried, that long apart: until it is known which switch it is, or it answers. */
export const pastDecisionsTries = 5;
/** How often a host looks whether its addresses have changed: others send to the old one until then. */
export const vtepLookMs = 1_000;
/** How often the whole bridge is compared unasked: 10 000 flows take about 100 ms of work. */
export const flowScanMs = 60_000;
/** Flows of a bridge looked at in one go, some 10 us each … */
export const flowLooksPerSlice = 250;
/** … and changed objects made into flows in one go, some 50 us each: others have their turn in between. */
export const flowUnitsPerSlice = 25;
/** Answers to the agent's questions that are taken: two from each of a thousand hosts every ten seconds. */
export const probeAnswersPerSecond = 500;
/** How often every host is asked, how soon again one that has not answered, and how many questions without an
 *  answer make it a host out of reach: a restart of its switch takes a second. */
export const probeIntervalMs = 10_000;
export const probeRepeatMs = 1_000;
export const probesMissedMax = 3;
/** How long a program of the packet filter may take: it waits for others that change rules. */
export const programRunMs = 10_000;
/** Largest answer of one: a chain of a host with ten thousand rules is 1 MB. */
export const programAnswerBytesMax = 16 * 1024 * 1024;
/** Pause until the host's port is looked for again that Open vSwitch is just making. */
export const hostPortPendingMs = 200;
/** Looks at a port that is there for Open vSwitch and not for the kernel, until it is made anew. */
export const hostPortMissesMax = 5;
/** Ports of the host that one container has, counted for each family: each is two rules of the packet filter and up to
 *  one flow, and a row of them is 70 KB. */
export const publishedPortsMax = 1_024;
/** Ports that are chosen from where a container asks for any: the range for this (RFC 6335 section 6) without its first,
 *  as Docker takes them. */
export const publishedPortMin = 49_153;
export const publishedPortMax = 65_535;
/** How long a container waits for the rules of its published ports: less than its call may take, so that it is told why. */
export const publishedWaitMs = 8_000;
/** Largest of the kernel's lists of sockets that is read: a hundred thousand connections are 15 MB. */
export const socketListBytesMax = 64 * 1024 * 1024;
/** Longest prefixes of the blocks that tenants leave under: 14 bits stand for one. */
export const hostBlockPrefixMax = { 4: 18, 6: 114 } as const;
/** Shortest ones: nobody has more addresses to spare. */
export const hostBlockPrefixMin = { 4: 8, 6: 8 } as const;
/** Largest answer of a daemon's control socket: what we ask for is a line. */
export const controlAnswerBytesMax = 64 * 1024;
/** Pause before a container's coming is said on the wire once more (RFC 5227 section 1.1: ANNOUNCE_INTERVAL is
 *  2 s; a switch or machine that missed the first word should not do so for long). */
export const announceRepeatMs = 1_000;
/** UDP port of VXLAN (RFC 7348 section 4.1). */
export const vxlanPortDefault = 4789;
/** Copies in one group. A copy takes up to 72 bytes of a message, which has at most 65 535. A network that has
 *  all ports of a bridge has 516 in each part of its list. */
export const groupBucketsMax = 520;
/** Containers of a network on one host whose copies are in one group; a container's coming and going sends the
 *  group again. More are in 126 parts, of which one is sent. */
export const floodDirectMax = 64;
/** ICMP errors a host sends, and how many at once: as Linux itself limits them (icmp_msgs_per_sec 1000, burst
 *  50), less for what a container could make the agent do. */
export const icmpErrorsPerSecond = 200;
export const icmpErrorsBurst = 50;
/** Denied packets of which a host's agent is told, a second and at once: a line of the log each, so that who is denied
 *  a lot is seen and a scan of ports does not fill the disk (some 2 KiB/s). */
export const denialsPerSecond = 5;
export const denialsBurst = 20;

/** Ports added in one transaction. */
export const portAddsPerTxn = 100;
/** VLAN tags that keep the networks of one host apart: 802.1Q allows 1 to 4094. */
export const vlanTagMin = 1;
export const vlanTagMax = 4_094;

// --- the site ---

/** Longest name of a tenant or network, as Contiv had it. */
export const siteNameCharactersMax = 64;
/** Tenants: their numbers are conntrack zones, with room below 2^14 for the networks of one host. */
export const domainNumberMax = 8_191;
/** Subnets of a shared network, both families together: the network goes with all that its pools have in one
 *  transaction. */
export const siteSubnetsMax = 16;
/** Numbers looked at in one read when the next free one is searched; mostly it is the first. */
export const numberPageRows = 256;
/** Shared networks: 23 bits, so that the 24th marks the networks of one host. */
export const segmentNumberMax = 0x7f_ffff;
/** Hosts: 16 bits of a register stand for the sender of a packet. */
export const nodeNumberMax = 65_535;
/** Largest VXLAN network identifier (RFC 7348 section 5; 0 is kept back). */
export const vniMax = 16_777_215;
/** What VXLAN adds to a packet, bytes: Ethernet, IPv4, UDP and VXLAN heads … */
export const vxlanOverheadIpv4Bytes = 50;
/** … and with IPv6 between the hosts. */
export const vxlanOverheadIpv6Bytes = 70;

// --- links ---

/** Receive buffer of one netlink read; the kernel never sends more than 32 KiB at once. */
export const netlinkReadBytes = 64 * 1024;
/** A netlink request unanswered this long is an error. */
export const netlinkRequestMs = 5_000;
/** Messages of one dump before it is given up. */
export const netlinkDumpMessagesMax = 200_000;
/** Requests waiting for one netlink socket before BUSY: each takes 0.1 to 20 ms. */
export const netlinkQueueMax = 256;
/** How long one blocking read waits before the deadline is looked at again. */
export const netlinkReceiveTickMs = 1_000;
/** Times a listing is started again because links came or went meanwhile, or memory was short. */
export const netlinkDumpTriesMax = 8;
/** Times a send is repeated that a signal interrupted. */
export const netlinkInterruptsMax = 16;
/** How often waiting link events are fetched: soon enough for a reconcile, and no load when idle. */
export const linkWatchPollMs = 250;
/** Reads of link events in one go, so that a storm of them does not hold up the event loop. */
export const linkWatchReadsMax = 64;
/** Receive buffer of link events; beyond it the kernel drops some and says so. */
export const linkWatchBufferBytes = 1024 * 1024;
/** Longest name and longest alias of a link that the kernel takes. */
export const linkNameBytesMax = 15;
export const linkAliasBytesMax = 255;
/** MTU of a container's link when nothing else is asked for. */
export const linkMtuDefault = 1_500;
export const linkMtuMin = 68;
export const linkMtuMax = 65_535;
/** Uplinks of a host: as many as most switches let work in one aggregation. */
export const uplinksMax = 8;
/** Giving the NICs of a host back: two transactions for each, and vswitchd has to take them up, which it does in seconds. */
export const giveBackMs = 30_000;

// --- Docker's API ---

/** A Docker API request unanswered this long is given up. */
export const dockerRequestMs = 10_000;
/** A command for a network or group asks its own host's engine whether it is in a swarm, unless it was asked so lately: it
 *  takes as long as the rest of the command, and scripts make networks by the hundred. An engine needs longer to make a
 *  swarm, so who made one and types the next command is told. */
export const swarmFreshMs = 50;
/** A command for a network or group waits this long until its own host's engine has followed. */
export const followWaitMs = 3_000;
/** Largest answer taken from Docker's API. */
export const dockerAnswerBytesMax = 64 * 1024 * 1024;
/** Longest line of Docker's event stream. */
export const dockerEventBytesMax = 1024 * 1024;
/** Reconnect delays of the event stream. */
export const dockerReconnectFirstMs = 200;
export const dockerReconnectMaxMs = 5_000;

/** Addresses of swarms' services that managers tell: as many services as an answer of an engine has room for, of 4 KiB. */
export const swarmVipsMax = 16_384;
/** An address of a swarm's service that a manager no longer lists goes when that was so for this long: twice the 10 s in
 *  which a leader that was cut off may still answer from what it knew. */
export const swarmVipConfirmMs = 20_000;
/** After word of a service managers are asked again as often, this far apart: its address comes a little later. */
export const swarmVipLooks = 5;
export const swarmVipLookMs = 1_000;

// --- reconcile ---

/** How many times as long as a look at the infra networks took the next one waits, so that it takes a twentieth of a core
 *  at most while thousands of networks come; and how long at most, since a look may have waited for a majority. */
export const infraRestFactor = 20;
export const infraRestMaxMs = 5_000;

/** How often it is looked whether the store takes changes. */
export const storeProbeMs = 5_000;
/** Full comparison of desired and observed even when nobody told us of a change. */
export const reconcileIntervalMs = 30_000;
/** Quiet time after an event before a reconcile starts, so that bursts are one run. */
export const reconcileDebounceMs = 50;
/** Quiet time after an event of Docker's before we ask it what it has: it is busy starting a container,
 *  and nothing is removed sooner than `absentConfirmMs` anyway. */
export const dockerDebounceMs = 1_000;
/** Delay before a failed reconcile is tried again: first, and ceiling. */
export const reconcileRetryFirstMs = 200;
export const reconcileRetryMaxMs = 5_000;
/** Something Docker does not know must be missing in two listings this far apart before it is
 *  removed: an endpoint exists with us a moment before Docker lists it. */
export const absentConfirmMs = 3_000;
/** An address or pool nobody has claimed is given back after this long: twice the time in which the
 *  engine still repeats a call (docker: 1 + 2 + 4 + 8 s). */
export const unclaimedMs = 30_000;

// --- command line ---

/** Longest path of a unix socket: sun_path has 108 bytes, the last is zero (unix(7)). */
export const socketPathBytesMax = 107;
/** A server that does not take our probe this long is busy, and alive. */
export const socketProbeMs = 1_000;
/** Longest path of anything else: PATH_MAX less the zero byte. */
export const pathBytesMax = 4_095;
/** Longest host name: HOST_NAME_MAX of Linux. */
export const hostNameCharactersMax = 64;
/** Longest plugin name: the bound of a Docker reference, registry and tag included. */
export const pluginNameCharactersMax = 255;
/** Blocks in --ipv4-pools or --ipv6-pools. */
export const poolBlocksMax = 16;
/** Widest line of a help text; longer lines are hard to read on any terminal. */
export const helpColumnsMax = 100;

/** An answer of the agent takes this long at most: a change of members is waited for. */
export const apiRequestMs = 120_000;
/** Largest answer of the agent that a command reads whole. */
export const apiAnswerBytesMax = 64 * 1024 * 1024;

// --- process ---

/** Calls after which garbage is collected although more keep coming, some 50 KB each; also the least
 *  that makes a burst. */
export const heapCallsMax = 64;
/** Quiet time after a burst before garbage is collected. */
export const heapIdleMs = 2_000;
/** Time since a burst before the room of compiled code is given back too, in the next pause: commands of an operator come
 *  closer than that. */
export const heapQuietMs = 30_000;

/** Time for work in flight at SIGTERM before the process ends anyway. */
export const shutdownMs = 5_000;

assert(
  callStoreMs <= callSlowMs,
  'a call that needs only the store may not take longer than others',
);
assert(publishedWaitMs < callSlowMs, 'a container is told why its ports are not there');
assert(ovsWaitMs + flowsWaitMs < callSlowMs, 'the wait for Open vSwitch must leave time to answer');
assert(storeOpenWaitMs < callStoreMs, 'the wait for the store must leave time to answer');
assert(ovsdbRequestMs <= ovsdbEchoIdleMs, 'a silence must outlast one unanswered request');
assert(openflowRequestMs <= openflowEchoIdleMs, 'a silence must outlast one unanswered request');
assert(openflowSliceBytes <= openflowSendBytesMax, 'one slice must fit');
assert(ovsdbSendBytesMax <= ovsdbMessageBytesMax, 'no message may be larger than the server takes');
assert(requestsInFlightMax <= ovsdbWaitersMax, 'every request may wait for Open vSwitch');
assert(storeBatchBytesMax >= storeValueBytesMax, 'a batch must hold the largest value');
assert(storeChangeBytesMax >= 2 * storeBatchBytesMax, 'a change must hold rows before and after');
assert(
  storeReserveBytes >= 2 * storeWriteBufferBytes + storeOpeningBytes,
  'the reserve must do for opening',
);
assert(storeStateBytesMax >= storeChangeBytesMax, 'the state must hold the largest change');
assert(storeLeaseKeysMax <= storeTxnRowsMax, 'the end of a lease must be a change as others are');
assert(storeSessionBytesMax * 2 < storeSessionsBytesMax, 'one client must fit among all');
assert(etcdReadMs < etcdWriteMs && etcdWriteMs < callSlowMs, 'etcd must answer before we must');
assert(
  servicePortsMax <= containerTriesBurst && containerTriesBurst <= checkTriesBurst,
  'all ports of a service must be asked at once',
);
assert(servicePortsMax <= checkTriesUnderWayMax, 'a round must fit what is waited for');
assert(
  containerTriesPerSecond <= containerAnswersPerSecond &&
    containerTriesBurst <= containerAnswersBurst,
  'whoever is asked must be able to answer',
);
assert(checkTimeoutSecondsDefault <= checkIntervalSecondsDefault, 'rounds must not overlap');
assert(absentConfirmMs < unclaimedMs, 'unclaimed addresses outlive unconfirmed endpoints');
assert(spacePoolsMax <= storeRangeRowsMax, 'all pools of a space must fit one page');
assert(poolReleaseRows * 2 <= storeDeleteRangeMax, 'a step of ReleasePool must fit one delete');
assert(hostBlocksMax * 2 < storeTxnOpsMax, 'giving back all blocks of a pool must fit one txn');
assert(adoptRowsStep * 3 <= storeTxnOpsMax, 'adopting some rows must fit one txn');
assert(swarmReturnRows * 3 + 8 <= storeTxnOpsMax, 'what a swarm gives back must fit one txn');
assert(releasedTrimRows * 2 <= storeTxnOpsMax, 'forgetting released addresses must fit one txn');
assert(hitsTellRowsMax + 2 <= storeTxnOpsMax, 'what a host tells of hits must fit one txn');
