/** The licences of what is inside the binary, in one text. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Shipped } from './shipped.ts';

/**
 * Native code that comes inside packages, in folders of its own, whose licence text the package leaves out
 * or keeps elsewhere: said in words.
 */
const inside = `classic-level contains LevelDB 1.20 (BSD-3-Clause, The LevelDB Authors) and Snappy (BSD-3-Clause, Google
Inc.). The runtime, Bun, is MIT and contains, among others, JavaScriptCore of WebKit (LGPL-2.0 and
BSD-2-Clause), BoringSSL (Apache-2.0, OpenSSL, ISC), SQLite (public domain), zlib (Zlib), zstd and brotli
(BSD-3-Clause, MIT), mimalloc (MIT), simdutf (Apache-2.0 or MIT) and libuv (MIT).

The folders of managed plugins in bundles (plugin/) contain, besides the binary and unchanged, shared libraries of the
system that the bundle was made on: the GNU C Library (LGPL-2.1-or-later) and its linker, libstdc++ and libgcc
(GPL-3.0-or-later with the GCC Runtime Library Exception 3.1); that system has their texts and sources.
`;

/** The document. Sources of packages are below `root`. */
export function licencesOf(root: string, own: string, parts: readonly Shipped[]): string {
  const rule = '='.repeat(80);
  const sections = parts.map((part) => {
    const text = licenceText(join(root, part.folder));
    const head = `${part.name} ${part.version}: ${part.license}`;
    return `${rule}\n${head}\n${rule}\n\n${text ?? 'The package has no licence text besides this name.\n'}`;
  });
  return [`${rule}\nFairlead\n${rule}\n\n${own.trim()}\n`, inside, ...sections].join('\n');
}

function licenceText(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  const name = readdirSync(folder)
    .toSorted()
    .find((file) => /^(?:licen[cs]e|copying)/i.test(file));
  return name === undefined ? undefined : `${readFileSync(join(folder, name), 'utf8').trim()}\n`;
}
