/** Opens the etcd that a URL names: reads the files that it names, and nothing else. */
import { readFile } from 'node:fs/promises';
import { FairleadError } from '../../errors.ts';
import type { StateStore } from '../port.ts';
import type { EtcdUrl } from '../store-url.ts';
import { openEtcdStore, type EtcdStoreOptions } from './store.ts';

/**
 * Opens the store of a URL.
 * @throws USAGE when a file cannot be read, and what `openEtcdStore` throws
 */
export async function openEtcdUrl(
  url: EtcdUrl,
  options: Pick<EtcdStoreOptions, 'clock' | 'log' | 'onFatal'>,
): Promise<StateStore> {
  const { endpoints, prefix, tls, login } = url;
  return openEtcdStore({
    ...options,
    endpoints,
    prefix,
    ...(tls === undefined ? {} : { tls: await readTls(tls) }),
    ...(login === undefined ? {} : { credentials: await readLogin(login) }),
  });
}

async function readTls(
  tls: NonNullable<EtcdUrl['tls']>,
): Promise<NonNullable<EtcdStoreOptions['tls']>> {
  return {
    ...(tls.caFile === undefined ? {} : { ca: await readText(tls.caFile) }),
    ...(tls.certFile === undefined ? {} : { cert: await readText(tls.certFile) }),
    ...(tls.keyFile === undefined ? {} : { key: await readText(tls.keyFile) }),
  };
}

async function readLogin({
  user,
  passwordFile,
}: NonNullable<EtcdUrl['login']>): Promise<NonNullable<EtcdStoreOptions['credentials']>> {
  // editors end a file with a newline that is no part of the password
  const password = (await readText(passwordFile)).replace(/\r?\n$/, '');
  return { name: user, password };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('USAGE', `a file of --store cannot be read: ${why}`, { cause });
  }
}
