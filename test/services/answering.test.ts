/** From which of its addresses a container behind a service is heard. */
import { expect, it } from 'vitest';
import { answeringFrom, isAnswering, type ServedNetwork } from '../../lib/services/answering.ts';

const network = (name: string, gateways: { readonly four?: true; readonly six?: true }) =>
  ({
    ...{ name, mode: 'routing' },
    subnets: [
      { cidr: '10.1.0.0/24', ...(gateways.four && { gateway: '10.1.0.254' }) },
      { cidr: 'fd00::/64', ...(gateways.six && { gateway: 'fd00::fe' }) },
    ],
  }) satisfies ServedNetwork;
const both = { ipv4: '10.1.0.1', ipv6: 'fd00::1' };
const own = network('own', {});

it('is heard from both in the own network of the service, whatever gateways there are', () => {
  expect(answeringFrom(own, own)(both)).toEqual(both);
  expect(answeringFrom({ ...own, mode: 'bridge' }, { ...own, mode: 'bridge' })(both)).toEqual(both);
});

it('is heard from another network in the families that have a gateway there', () => {
  expect(answeringFrom(own, network('other', { four: true, six: true }))(both)).toEqual(both);
  expect(answeringFrom(own, network('other', { four: true }))(both)).toEqual({ ipv4: both.ipv4 });
  expect(answeringFrom(own, network('other', { six: true }))(both)).toEqual({ ipv6: both.ipv6 });
  expect(answeringFrom(own, network('other', {}))(both)).toEqual({});
});

it('is judged by the subnet that it is in, of several of a family', () => {
  const other = network('other', { four: true, six: true });
  const two = { ...other, subnets: [...other.subnets, { cidr: '10.2.0.0/24' }] };
  expect(answeringFrom(own, two)(both)).toEqual(both);
  expect(answeringFrom(own, two)({ ipv4: '10.2.0.1' })).toEqual({});
});

it('is heard from no other network where one of both is not routed', () => {
  const other = network('other', { four: true, six: true });
  expect(answeringFrom({ ...own, mode: 'bridge' }, other)(both)).toEqual({});
  expect(answeringFrom(own, { ...other, mode: 'bridge' })(both)).toEqual({});
  expect(answeringFrom(undefined, other)(both)).toEqual({});
});

it('answers when the service has an address of a family that is left', () => {
  expect(isAnswering(both, { has4: true, has6: false })).toBe(true);
  expect(isAnswering({ ipv6: 'fd00::1' }, { has4: true, has6: true })).toBe(true);
  expect(isAnswering({ ipv6: 'fd00::1' }, { has4: true, has6: false })).toBe(false);
  expect(isAnswering({ ipv4: '10.1.0.1' }, { has4: false, has6: true })).toBe(false);
  expect(isAnswering({}, { has4: true, has6: true })).toBe(false);
});
