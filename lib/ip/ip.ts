/** The address vocabulary in one import: addresses, blocks, special blocks and MACs. */
export * from './address.ts';
export * from './cidr.ts';
export * from './mac.ts';
export * from './special.ts';
