/** The machines that binaries are made for. */

/** What differs between machines. Paths are below a node_modules folder. */
export const targets = {
  'linux-x64': {
    cpu: 'x64',
    libc: 'glibc',
    runtime: '@oven/bun-linux-x64',
    level: 'classic-level/prebuilds/linux-x64/classic-level.node',
    koffi: '@koromix/koffi-linux-x64',
    koffiFile: 'linux_x64/koffi.node',
  },
  'linux-arm64': {
    cpu: 'arm64',
    libc: 'glibc',
    runtime: '@oven/bun-linux-aarch64',
    level: 'classic-level/prebuilds/linux-arm64/classic-level.armv8.node',
    koffi: '@koromix/koffi-linux-arm64',
    koffiFile: 'linux_arm64/koffi.node',
  },
  // Alpine; LevelDB's addon has no build for musl on arm64
  'linux-x64-musl': {
    cpu: 'x64',
    libc: 'musl',
    runtime: '@oven/bun-linux-x64-musl',
    level: 'classic-level/prebuilds/linux-x64/classic-level.musl.node',
    koffi: '@koromix/koffi-linux-x64',
    koffiFile: 'musl_x64/koffi.node',
  },
} as const;

/** The name of one. */
export type TargetName = keyof typeof targets;

/** True for the name of a machine that binaries are made for. */
export function isTarget(name: string): name is TargetName {
  return Object.hasOwn(targets, name);
}
