import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

/** The fields of a Kubernetes object that the checks read. The schemas check the rest. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string> };
  data?: Record<string, string>;
  spec?: Spec;
}

export interface Spec {
  selector?: { matchLabels?: Labels } & Record<string, unknown>;
  podSelector?: { matchLabels?: Labels };
  ingress?: PolicyRule[];
  egress?: PolicyRule[];
  template?: { metadata: { labels: Labels; annotations?: Labels }; spec: PodSpec };
  ports?: ServicePort[];
  scaleTargetRef?: { kind: string; name: string };
  metrics?: { pods?: { metric: { name: string } } }[];
}

export interface PodSpec {
  serviceAccountName?: string;
  terminationGracePeriodSeconds?: number;
  securityContext?: Record<string, unknown>;
  topologySpreadConstraints?: { labelSelector: { matchLabels: Labels } }[];
  containers: Container[];
  volumes?: {
    name: string;
    secret?: { secretName: string; optional?: boolean; items: { key: string; path: string }[] };
    emptyDir?: Record<string, unknown>;
  }[];
}

export interface Container {
  image: string;
  args?: string[];
  ports?: { name: string; containerPort: number }[];
  env?: { name: string; value?: string; valueFrom?: unknown }[];
  envFrom?: { configMapRef?: { name: string } }[];
  volumeMounts?: { name: string; mountPath: string }[];
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  lifecycle?: { preStop?: { sleep?: { seconds: number } } };
  resources?: { requests?: Labels; limits?: Labels };
  securityContext?: { capabilities?: { drop?: string[] } } & Record<string, unknown>;
}

interface Probe {
  httpGet: { path: string; port: string | number };
}

interface ServicePort {
  name: string;
  targetPort: string | number;
}

interface PolicyRule {
  ports?: { port: string | number }[];
}

export type Labels = Record<string, string>;

const FOLDER = join(import.meta.dirname, '../../deploy/kubernetes');

export function readText(name: string): string {
  return readFileSync(join(FOLDER, name), 'utf8');
}

/** The objects that `kubectl apply -k` applies: those in the files of the kustomization. */
export function readManifests(): Manifest[] {
  return readKustomization().resources.flatMap((name) =>
    parseAllDocuments(readText(name)).map((document) => document.toJS() as Manifest),
  );
}

export function readKustomization(): { resources: string[]; images: { name: string }[] } {
  return parse(readText('kustomization.yaml')) as { resources: string[]; images: { name: string }[] };
}

/** The metrics that prometheus-adapter serves with our rules, and the series of each. */
export function readAdapterRules(): { series: string; as: string }[] {
  const { rules } = parse(readText('prometheus-adapter-rules.yaml')) as {
    rules: { custom: { seriesQuery: string; name: { as: string } }[] };
  };
  return rules.custom.map(({ seriesQuery, name }) => ({
    series: seriesQuery.replace(/\{.*$/, ''),
    as: name.as,
  }));
}

export function filesOfFolder(): string[] {
  return readdirSync(FOLDER);
}
