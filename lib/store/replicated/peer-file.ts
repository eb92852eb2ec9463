/**
 * What a member keeps beside its store: who it is to others, its key and certificate, and where to find
 * them. One file, replaced whole, readable by root only. A host that is alone has none.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { FairleadError } from '../../errors.ts';
import { isSystemError, writeFileDurably } from '../level/durable-file.ts';
import { memberRoles } from '../membership/rows.ts';

const id16 = z.string().regex(/^[0-9a-f]{16}$/);
const id32 = z.string().regex(/^[0-9a-f]{32}$/);
const address = z.string().min(3).max(300);

const peerFileSchema = z.strictObject({
  format: z.literal(1),
  clusterId: id32,
  epoch: z.number().int().nonnegative(),
  memberId: id16,
  /** The data directory that belongs to this member id. */
  dataId: id32,
  /** False from the moment the cluster let this host in until its store was made: only then may an
   *  absent store be made (hazard 32). */
  storeMade: z.boolean(),
  name: z.string(),
  role: z.enum(memberRoles),
  /** PEM. */
  privateKey: z.string(),
  certificate: z.string(),
  /** Authorities that are trusted, newest first. */
  authorities: z.array(z.string()).min(1),
  /** Key under which the authority's key is sealed, hex; voters only. */
  sealKey: z.string().exactOptional(),
  listen: address.exactOptional(),
  advertise: z.array(address),
  /** The first member of the cluster: the configuration that an empty store begins with. */
  founder: id16.exactOptional(),
  /** Where others were last known to be: to find them before the store is up to date. */
  seeds: z.array(z.strictObject({ id: id16, addresses: z.array(address) })),
});
/** What a member keeps beside its store. */
export type PeerFile = z.infer<typeof peerFileSchema>;

/**
 * The file's content; undefined where there is none.
 * @throws STORE_DAMAGED when it is not what we write
 */
export async function readPeerFile(path: string): Promise<PeerFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    return peerFileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new FairleadError('STORE_DAMAGED', `${path} is unreadable`, {
      fix: 'put it back from a backup; or move it aside, then remove this host from its cluster and join again',
      cause,
    });
  }
}

/** Replaces the file. */
export async function writePeerFile(path: string, content: PeerFile): Promise<void> {
  await writeFileDurably(path, `${JSON.stringify(content, undefined, 2)}\n`);
}
