/** What the bench asks of a cluster, ours and etcd's alike. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Endpoint } from './endpoint.ts';

/** One node, running or not. */
export interface BenchNode {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly directory: string;
  /** Of the running process. */
  pid(): number;
  /** Starts it again and does not wait. */
  spawn(): void;
  /** kill -9, and waits for the end. */
  kill(): Promise<void>;
}

/** A cluster that answers. */
export interface BenchCluster {
  readonly nodes: readonly BenchNode[];
  /** The node that leads; rejects while there is none. */
  leader(): Promise<BenchNode>;
  /** Ends everything and removes its files. */
  close(): Promise<void>;
}

/** How to open one. */
export interface ClusterPlan {
  readonly nodes: 1 | 3;
  readonly heartbeatMs: number;
  readonly electionMs: number;
}

/** A kind of cluster. */
export type OpenCluster = (plan: ClusterPlan) => Promise<BenchCluster>;

/** Times as etcd has them when nothing is said. */
export const defaultTimes = { heartbeatMs: 100, electionMs: 1_000 } as const;
/** Times at which failover is measured. */
export const fastTimes = { heartbeatMs: 50, electionMs: 300 } as const;

/** Resident memory of a process, MB. */
export function rssMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024;
}

/** Space that a directory takes, MB: blocks, not lengths. */
export function diskMb(directory: string): number {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const blocks = entries
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).blocks);
  return blocks.reduce((sum, count) => sum + count * 512, 0) / 1024 / 1024;
}

/** Processor time that a process has used so far, ms. */
export function cpuMs(pid: number): number {
  const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // user and system time, in ticks of 10 ms
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
