/**
 * The one door to native calls: koffi, which loads shared libraries on Node, Bun and Deno alike.
 * Nothing else imports it, so that it can be replaced in one place.
 *
 * How koffi 3.3.4 finds its addon, which matters to whoever packs it into one file: its ESM entry calls
 * `loadStatic` of `koffi/src/koffi/src/static.js`, which requires `@koromix/koffi-PLATFORM-ARCH`; that
 * package reads the ELF interpreter of the running program and requires `linux_ARCH/koffi.node` or
 * `musl_ARCH/koffi.node` beside it. Both requires come from `createRequire` or take a computed name, so
 * Bun's bundler does not see them: such a binary only starts where node_modules is. A bundler plugin
 * that answers for `static.js` with
 *   import native from '<absolute path of the one koffi.node>'; export const loadStatic = () => native;
 * embeds the addon, and koffi's own checks of its version still run. At start Bun unpacks it below
 * TMPDIR (once: the name is a hash), which therefore must be writable and not mounted `noexec`.
 */
export { default as koffi } from 'koffi';
