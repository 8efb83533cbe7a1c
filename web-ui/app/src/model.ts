// Short names for the generated types of the API.
import type { components } from './api.ts';

type Schemas = components['schemas'];
export type Application = Schemas['ApplicationSummary'];
export type ApplicationDetail = Schemas['ApplicationDetail'];
export type ApplicationList = Schemas['ApplicationList'];
export type ObjectView = Schemas['ObjectView'];
export type ObjectName = Schemas['ObjectName'];
export type Origin = Schemas['Origin'];
export type Health = Schemas['Health'];
export type Severity = Schemas['Severity'];
export type Sync = Schemas['SyncSummary'];
export type SyncDetail = Schemas['SyncDetail'];
export type SyncList = Schemas['SyncList'];
export type SyncResult = Schemas['SyncResult'];
export type Counts = Schemas['Counts'];
export type Cause = Schemas['Cause'];
export type Action = Schemas['Action'];
export type Why = Schemas['Why'];
export type Commit = Schemas['Commit'];
export type ImagePolicy = Schemas['ImagePolicyView'];
export type ImagePolicyList = Schemas['ImagePolicyList'];
export type Verdict = Schemas['Verdict'];
export type Repository = Schemas['RepositoryView'];
export type RepositoryList = Schemas['RepositoryList'];
export type About = Schemas['About'];
export type Change = Schemas['Change'];
