/** Flows, groups and meters for the tests with a real switch: all that we know, and some that we do not. */
import { reservedPort, type Flow } from '../../lib/datapath/openflow/codec/flow.ts';

/** In the words of ovs-ofctl. */
export const sampleFlows: readonly string[] = [
  'table=3,priority=0,cookie=0xc201,idle_timeout=60,hard_timeout=5,send_flow_rem,no_packet_counts,reg0=0/1,xreg1=5,dl_vlan=300,dl_vlan_pcp=3,tcp,nw_tos=8,nw_ecn=1,nw_ttl=9,nw_frag=no,tp_src=0x50/0xfff0,actions=set_field:5/5->reg1,load:0->NXM_NX_REG2[],move:NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15],output:5',
  'table=1,in_port=LOCAL,metadata=0/5,tun_id=5,tun_src=1.2.3.0/24,tun_dst=1.2.0.4/255.255.0.255,tun_gbp_id=300,tun_gbp_flags=0x8,tun_flags=+oam,reg15=7,dl_src=01:00:00:00:00:00/01:00:00:00:00:00,dl_dst=02:00:00:00:00:01,icmp,icmp_type=8,icmp_code=0,nw_src=10.0.0.0/8,actions=resubmit(,5),resubmit:5,resubmit(LOCAL,4),push:NXM_NX_REG2[1..5],pop:NXM_NX_REG2[3],set_field:0->reg3,set_field:0->tun_id,set_field:0->metadata,set_field:0->xxreg0,set_field:300->tun_gbp_id,set_field:1.2.3.4->tun_dst,set_field:::5->tun_ipv6_dst,set_field:10->xreg0,set_field:0x7->pkt_mark',
  'table=1,arp,arp_op=2,arp_spa=1.2.3.4,arp_tpa=5.6.7.0/24,arp_sha=01:02:03:04:05:06,arp_tha=ff:ff:ff:00:00:00/ff:ff:ff:00:00:00,actions=set_field:2->arp_op,set_field:1.2.3.4->arp_spa,load:5->NXM_OF_ETH_SRC[],set_field:01:02:03:04:05:06->arp_sha,IN_PORT,controller:100,CONTROLLER',
  'table=1,icmp6,icmp_type=135,icmp_code=0,ipv6_src=fd00::/8,ipv6_dst=fe80::1,nd_target=fd00::5,nd_sll=00:01:02:03:04:05,nd_reserved=5,nd_options_type=1,ipv6_label=0x12345,nw_ttl=255,actions=set_field:5->nd_reserved,set_field:2->nd_options_type,set_field:136->icmpv6_type,set_field:fd00::1->ipv6_src,note:01.02.03,ct_clear,check_pkt_larger(1500)->NXM_NX_REG0[3]',
  'table=1,icmp6,icmp_type=136,icmp_code=0,nd_tll=00:01:02:03:04:05,actions=move:NXM_NX_XXREG3[0..47]->NXM_NX_ND_TLL[],move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[],controller(max_len=100,userdata=01.02),controller(userdata=05),controller(max_len=0,meter_id=2)',
  'table=1,sctp6,tp_dst=5,conj_id=5,ct_state=+trk+est-new,ct_zone=300,ct_mark=0/1,ct_label=0x100000000000000000000000,pkt_mark=0/1,ct_nw_proto=6,ct_ipv6_src=fd00::/8,ct_tp_dst=80/0xfff0,actions=conjunction(5,1/2),conjunction(6,2/2)',
  'table=1,sctp,tp_dst=5,actions=ct(commit,force,table=4,zone=NXM_NX_REG5[0..15],nat(src=10.1.2.3-10.1.2.9:100-200,random,persistent),exec(load:5->NXM_NX_CT_MARK[],set_field:0x5->ct_label,set_field:0x1/0x1->ct_label)),ct(nat),ct(commit,nat(dst=10.1.2.3)),ct(commit,nat(src)),ct(zone=300)',
  'table=1,tcp6,ct_state=+new+est,actions=ct(commit,nat(src=[fd01::1]-[fd01::9]:100,hash)),ct(commit,nat(src=[fd01::1]-[fd01::9])),ct(commit,nat(src=[fd01::1]:5)),ct(commit,nat(dst=fd01::1))',
  'table=1,tcp,tcp_flags=+syn-ack,ip_frag=first,actions=ct(commit,alg=ftp),set_field:80->tcp_dst,set_field:64->nw_ttl,set_field:3->ip_dscp,set_field:1->nw_ecn,dec_ttl,set_queue:5',
  'table=1,ip,nw_frag=later,actions=write_metadata:0x5/0xff,goto_table:4',
  'table=1,udp,nw_frag=yes,tp_src=5,tp_dst=0,actions=clear_actions,write_actions(output:3,set_field:10.0.0.1->ip_src),write_metadata:0x5,goto_table:4',
  'table=1,udp,nw_frag=not_later,actions=push_vlan:0x8100,set_field:4396->vlan_vid,set_field:5->vlan_pcp,pop_vlan,push_vlan:0x88a8,output:NXM_NX_REG4[0..15],output:OXM_OF_METADATA[0..31]',
  'table=1,vlan_tci=0,actions=NORMAL,FLOOD,ALL,LOCAL,TABLE',
  'table=1,dl_vlan_pcp=3,actions=move:OXM_OF_VLAN_VID[0..11]->NXM_NX_REG1[0..11]',
  'table=1,ipv6,nw_proto=6,actions=drop',
  'table=1,mpls,mpls_label=5,mpls_tc=1,mpls_bos=1,mpls_ttl=7,actions=drop',
  'table=1,rarp,actions=drop',
  'table=1,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,tun_ipv6_src=fd00::1,tun_ipv6_dst=fd00::/16,actions=drop',
  'table=1,priority=65535,reg1=0,metadata=0,tun_id=0,actions=load:0x7fffffffffffffff->NXM_NX_XXREG1[64..127],load:1->OXM_OF_PKT_REG1[0]',
  'table=1,ct_state=+est+trk,ct_tp_src=5,ct_nw_proto=17,ct_nw_src=1.2.3.0/24,ct_nw_dst=1.2.3.4,ip,actions=drop',
  'table=1,udp,actions=ct(commit,alg=tftp)',
  'table=1,tcp,tcp_flags=0x012,actions=drop',
  'table=9,ip,actions=meter:1,group:1,group:2',
  'table=9,ipv6,actions=meter:2,goto_table:10',
];

/** With parts that our types do not hold. */
export const foreignFlows: readonly string[] = [
  'table=1,vlan_vid=0x1000/0x1000,actions=clone(output:3)',
  'table=1,dl_type=0x1234,actions=exit',
  'table=1,ip,nw_proto=47,actions=learn(table=1,output:NXM_OF_IN_PORT[])',
  'table=3,tcp,actset_output=5,actions=output(max_len=100,port=5),fin_timeout(idle_timeout=5)',
  'table=4,actions=multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[]),sample(probability=3,collector_set_id=4)',
  'table=5,no_byte_counts,ip,actions=dec_ttl(1,2),enqueue:3:4',
  'table=6,actions=controller(reason=no_match,id=3)',
  'table=6,ip,actions=ct(commit,exec(set_field:1->ct_mark,move:NXM_NX_REG0[]->NXM_NX_CT_MARK[])),mod_nw_tos:8',
  'table=7,actions=bundle(eth_src,0,hrw,ofport,slaves:1,2)',
];

/** In the words of ovs-ofctl. */
export const sampleGroups: readonly string[] = [
  'group_id=1,type=all,bucket=output:3,bucket=push_vlan:0x8100,set_field:4396->vlan_vid,output:4',
  'group_id=2,type=select,bucket=weight=100,actions=ct(commit,zone=32769,nat(dst=10.1.2.2:8080),table=43),bucket=weight=0,actions=output:4,bucket=output:5',
  'group_id=3,type=ff,bucket=watch_port:3,output:3,bucket=watch_group:1,output:4',
  'group_id=4,type=indirect,bucket=load:0xac1fff01->NXM_NX_TUN_IPV4_DST[],set_field:5->tun_id,output:3',
  'group_id=4000000000,type=all',
];

/** In the words of ovs-ofctl. */
export const sampleMeters: readonly string[] = [
  'meter=1,kbps,burst,stats,bands=type=drop,rate=20000,burst_size=3',
  'meter=2,pktps,stats,bands=type=drop,rate=7',
  'meter=3,kbps,bands=type=drop,rate=7',
];

const ip = 0x0800;
const ip6 = 0x86dd;
const flow = (table: number, rest: Omit<Flow, 'table' | 'priority' | 'cookie'>): Flow => ({
  table,
  priority: 100,
  cookie: 0xc201_0300_0000_0007n,
  ...rest,
});
const ofZone = { field: 'reg5', first: 0, bits: 16 } as const;

/** As a pipeline writes them. */
export const ourFlows: readonly Flow[] = [
  flow(0, {
    match: { inPort: 101 },
    meter: 3,
    apply: [
      { kind: 'load', to: { field: 'reg1' }, value: 7 },
      { kind: 'setField', field: 'reg2', value: 8 },
      { kind: 'setField', field: 'reg0', value: 0b1010, mask: 0b1110 },
    ],
    goto: 10,
  }),
  flow(0, { match: { inPort: 1, tunSrc: 0xac1f_ff02, tunId: 101n }, goto: 15 }),
  flow(0, { match: { inPort: 2, vlanVid: 0x1000 | 300 }, apply: [{ kind: 'popVlan' }], goto: 15 }),
  flow(0, { match: { inPort: 2, vlanVid: 0 }, goto: 15 }),
  flow(0, { match: { inPort: 3, vlanVid: { value: 0x1000, mask: 0x1000 } } }),
  flow(10, {
    match: { inPort: 101, ethSrc: 0x0242_0000_0001, ethType: 0x0806, arpSpa: 0, arpSha: 5 },
  }),
  flow(20, {
    match: { reg1: 7, reg0: { value: 0, mask: 1 }, ethType: 0x0806, arpOp: 1, arpTpa: 0x0a01_0101 },
    apply: [
      { kind: 'move', from: { field: 'ethSrc' }, to: { field: 'ethDst' } },
      { kind: 'setField', field: 'ethSrc', value: 0x0242_0000_0001 },
      { kind: 'load', to: { field: 'arpOp' }, value: 2 },
      { kind: 'move', from: { field: 'arpSha' }, to: { field: 'arpTha' } },
      { kind: 'setField', field: 'arpSha', value: 0x0242_0000_0001 },
      { kind: 'move', from: { field: 'arpSpa' }, to: { field: 'arpTpa' } },
      { kind: 'setField', field: 'arpSpa', value: 0x0a01_0101 },
      { kind: 'output', port: reservedPort.inPort },
    ],
  }),
  flow(20, {
    match: { ethType: ip6, ipProto: 58, icmpv6Type: 135, ndTarget: 0xfd01n << 112n },
    apply: [
      { kind: 'setField', field: 'ndOptionsType', value: 2 },
      { kind: 'setField', field: 'ndReserved', value: 0xe000_0000 },
      { kind: 'setField', field: 'icmpv6Type', value: 136 },
      { kind: 'setField', field: 'ipv6Src', value: 0xfd01n << 112n },
      { kind: 'load', to: { field: 'xxreg3', first: 0, bits: 48 }, value: 0x0242_0000_0001 },
    ],
    goto: 21,
  }),
  flow(21, {
    match: { ethType: ip6, ipProto: 58, icmpv6Type: 136, icmpv6Code: 0 },
    apply: [
      { kind: 'move', from: { field: 'xxreg3', first: 0, bits: 48 }, to: { field: 'ndTll' } },
      { kind: 'output', port: reservedPort.inPort },
    ],
  }),
  flow(30, { match: { ethDst: { value: 2 ** 40, mask: 2 ** 40 } }, goto: 75 }),
  flow(30, { match: { xreg1: 5n, xxreg2: { value: 7n, mask: 15n } } }),
  flow(41, {
    match: { ctState: { value: 0x21, mask: 0x21 }, reg5: 1, ethType: ip, ipProto: 6, tcpDst: 80 },
    apply: [
      {
        kind: 'ct',
        commit: true,
        zone: 0x8001,
        nat: { side: 'destination', ipv4: { first: 0x0a01_0202 }, ports: { first: 8080 } },
        table: 43,
      },
    ],
  }),
  flow(41, {
    match: { ethType: ip6, ipv6Dst: { value: 0xfd01n << 112n, mask: 0xffffn << 112n } },
    apply: [
      { kind: 'ct', zone: ofZone, nat: 'existing', table: 61 },
      {
        kind: 'ct',
        commit: true,
        force: true,
        nat: { side: 'source', ipv6: { first: 1n, last: 9n }, choose: 'random', persistent: true },
      },
      { kind: 'ctClear' },
    ],
  }),
  flow(43, {
    match: { reg5: 1, ethType: ip, ipv4Dst: { value: 0x0a01_0100, mask: 0xffff_ff00 } },
    apply: [
      { kind: 'decTtl' },
      { kind: 'checkPacketLarger', bytes: 1464, to: { field: 'reg0', first: 5, bits: 1 } },
      { kind: 'setField', field: 'ipTtl', value: 64 },
      { kind: 'setField', field: 'ipDscp', value: 10 },
      { kind: 'setField', field: 'ipEcn', value: 1 },
      { kind: 'setField', field: 'ethDst', value: 2 ** 40, mask: 2 ** 40 },
    ],
    goto: 50,
  }),
  flow(50, {
    match: { reg1: 7, ethDst: 0x0242_0000_0002 },
    apply: [
      { kind: 'load', to: { field: 'tunDst' }, value: 0xac1f_ff02 },
      { kind: 'load', to: { field: 'tunId' }, value: 101n },
      { kind: 'setField', field: 'tunIpv6Dst', value: 5n },
      { kind: 'move', from: { field: 'reg2', first: 0, bits: 16 }, to: { field: 'tunGbpId' } },
    ],
    writeMetadata: { value: 0x1ffn, mask: 0xffn },
    goto: 60,
  }),
  flow(61, { match: { ctState: { value: 0x22, mask: 0x33 }, ctMark: 7, ctZone: 5, ctLabel: 1n } }),
  flow(62, {
    match: { reg5: 1, reg2: 11 },
    apply: [
      { kind: 'conjunction', id: 1, clause: 1, of: 3 },
      { kind: 'conjunction', id: 2, clause: 2, of: 2 },
    ],
  }),
  flow(62, {
    match: { conjId: 1, ethType: ip },
    apply: [
      {
        kind: 'ct',
        commit: true,
        zone: ofZone,
        exec: [{ kind: 'load', to: { field: 'ctMark' }, value: 1 }],
      },
    ],
    goto: 70,
  }),
  flow(62, { match: { ethType: ip, ipProto: 17, udpDst: { value: 64, mask: 0xffc0 }, ipFrag: 0 } }),
  flow(62, { match: { ethType: ip, ipProto: 132, sctpDst: 5, ipFrag: { value: 0, mask: 2 } } }),
  flow(62, { match: { ethType: ip, ipProto: 6, tcpFlags: { value: 0x10, mask: 0x12 } } }),
  flow(62, {
    match: { ethType: ip, ipDscp: 10, ipEcn: 1, ipTtl: 5, ipProto: 1, icmpType: 8, icmpCode: 0 },
  }),
  flow(71, {
    match: { reg4: 2 },
    apply: [
      { kind: 'pushVlan', ethType: 0x8100 },
      { kind: 'setField', field: 'vlanVid', value: 0x1000 | 300 },
      { kind: 'setQueue', queue: 3 },
      { kind: 'output', port: 2 },
      { kind: 'outputField', from: { field: 'reg4' } },
    ],
    idleTimeoutS: 60,
    hardTimeoutS: 90,
    sendRemoved: true,
  }),
  flow(75, { match: { reg1: 7 }, apply: [{ kind: 'group', group: 5 }] }),
  flow(86, {
    match: {},
    apply: [
      { kind: 'resubmit', table: 43 },
      { kind: 'resubmit', table: 43, inPort: 5 },
      { kind: 'resubmit', inPort: 5 },
      { kind: 'push', from: { field: 'reg1' } },
      { kind: 'pop', to: { field: 'reg2', first: 0, bits: 16 } },
      { kind: 'note', bytes: Uint8Array.of(1, 2, 3) },
      { kind: 'controller', userdata: Uint8Array.of(1) },
      { kind: 'controller', userdata: Uint8Array.of(1, 2, 3, 4), meter: 2 },
      { kind: 'output', port: reservedPort.controller, maxLength: 100 },
    ],
  }),
  flow(87, { match: {}, clear: true, write: [{ kind: 'output', port: 2 }] }),
];
