//! Wires the parts of a node: client, pool, network, authoring and finality.

use std::{sync::Arc, time::Duration};

use sc_client_api::BlockBackend;
use sc_consensus_aura::{CheckForEquivocation, ImportQueueParams, SlotProportion, StartAuraParams};
use sc_consensus_grandpa::{GrandpaPruningFilter, SharedVoterState};
use sc_service::{error::Error as ServiceError, Configuration, TaskManager, WarpSyncConfig};
use sc_telemetry::{Telemetry, TelemetryWorker};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_consensus_aura::sr25519::{AuthorityId as AuraId, AuthorityPair as AuraPair};
use zennet_runtime::{opaque::Block, Hash, RuntimeApi};

type HostFunctions = sp_io::SubstrateHostFunctions;
type FullBackend = sc_service::TFullBackend<Block>;
type SelectChain = sc_consensus::LongestChain<FullBackend, Block>;
type BlockImport =
    sc_consensus_grandpa::GrandpaBlockImport<FullBackend, Block, FullClient, SelectChain>;
type GrandpaLink = sc_consensus_grandpa::LinkHalf<Block, FullClient, SelectChain>;

/// The client of this chain.
pub(crate) type FullClient =
    sc_service::TFullClient<Block, RuntimeApi, sc_executor::WasmExecutor<HostFunctions>>;

/// The transaction pool of this chain.
pub(crate) type Pool = sc_transaction_pool::TransactionPoolHandle<Block, FullClient>;

/// What every command needs, before the network.
pub(crate) type Partial = sc_service::PartialComponents<
    FullClient,
    FullBackend,
    SelectChain,
    sc_consensus::DefaultImportQueue<Block>,
    Pool,
    (BlockImport, GrandpaLink, Option<Telemetry>),
>;

/// Blocks between stored GRANDPA justifications, at most.
const JUSTIFICATION_PERIOD: u32 = 512;

/// How often GRANDPA sends its votes again. Short, because a lease waits for finality.
const GOSSIP_PERIOD: Duration = Duration::from_millis(200);

/// Builds the parts that work without the network.
pub(crate) fn partial(config: &Configuration) -> Result<Partial, ServiceError> {
    let telemetry = match config.telemetry_endpoints.clone().filter(|e| !e.is_empty()) {
        Some(endpoints) => {
            let worker = TelemetryWorker::new(16)?;
            let telemetry = worker.handle().new_telemetry(endpoints);
            Some((worker, telemetry))
        }
        None => None,
    };

    let executor = sc_service::new_wasm_executor::<HostFunctions>(&config.executor);
    let (client, backend, keystore_container, task_manager) =
        sc_service::new_full_parts::<Block, RuntimeApi, _>(
            config,
            telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
            executor,
            // Without the justifications of old changes of the set, nobody could sync by warp.
            vec![Arc::new(GrandpaPruningFilter)],
        )?;
    let client = Arc::new(client);

    let telemetry = telemetry.map(|(worker, telemetry)| {
        task_manager.spawn_handle().spawn("telemetry", None, worker.run());
        telemetry
    });
    let telemetry_handle = || telemetry.as_ref().map(Telemetry::handle);

    let select_chain = sc_consensus::LongestChain::new(backend.clone());

    let transaction_pool = sc_transaction_pool::Builder::new(
        task_manager.spawn_essential_handle(),
        client.clone(),
        config.role.is_authority().into(),
    )
    .with_options(config.transaction_pool.clone())
    .with_prometheus(config.prometheus_registry())
    .build();

    let (block_import, grandpa_link) = sc_consensus_grandpa::block_import(
        client.clone(),
        JUSTIFICATION_PERIOD,
        &client,
        select_chain.clone(),
        telemetry_handle(),
    )?;

    let slots = client.clone();
    let import_queue =
        sc_consensus_aura::import_queue::<AuraPair, _, _, _, _, _>(ImportQueueParams {
            block_import: block_import.clone(),
            justification_import: Some(Box::new(block_import.clone())),
            client: client.clone(),
            create_inherent_data_providers: move |parent, ()| {
                let slots = slots.clone();
                async move {
                    let duration = sc_consensus_aura::standalone::slot_duration_at::<AuraId, _, _>(
                        &*slots, parent,
                    )?;
                    Ok(inherents(duration))
                }
            },
            spawner: &task_manager.spawn_essential_handle(),
            registry: config.prometheus_registry(),
            // It would only log what `equivocation` reports.
            check_for_equivocation: CheckForEquivocation::No,
            telemetry: telemetry_handle(),
            compatibility_mode: Default::default(),
        })?;

    Ok(sc_service::PartialComponents {
        client,
        backend,
        task_manager,
        import_queue,
        keystore_container,
        select_chain,
        transaction_pool: Arc::new(transaction_pool),
        other: (block_import, grandpa_link, telemetry),
    })
}

/// Starts a node; it runs until the returned task manager ends.
pub(crate) fn start<N: sc_network::NetworkBackend<Block, Hash>>(
    config: Configuration,
) -> Result<TaskManager, ServiceError> {
    let sc_service::PartialComponents {
        client,
        backend,
        mut task_manager,
        import_queue,
        keystore_container,
        select_chain,
        transaction_pool,
        other: (block_import, grandpa_link, mut telemetry),
    } = partial(&config)?;

    let mut net_config = sc_network::config::FullNetworkConfiguration::<Block, Hash, N>::new(
        &config.network,
        config.prometheus_registry().cloned(),
    );
    let metrics = N::register_notification_metrics(config.prometheus_registry());

    let genesis = client.block_hash(0)?.expect("a client has its genesis block; qed");
    let grandpa_protocol =
        sc_consensus_grandpa::protocol_standard_name(&genesis, &config.chain_spec);
    let (grandpa_notifications, notification_service) =
        sc_consensus_grandpa::grandpa_peers_set_config::<_, N>(
            grandpa_protocol.clone(),
            metrics.clone(),
            net_config.peer_store_handle(),
        );
    net_config.add_notification_protocol(grandpa_notifications);

    let warp_sync = Arc::new(sc_consensus_grandpa::warp_proof::NetworkProvider::new(
        backend.clone(),
        grandpa_link.shared_authority_set().clone(),
        Vec::new(),
    ));

    let (network, system_rpc_tx, tx_handler_controller, sync_service, _) =
        sc_service::build_network(sc_service::BuildNetworkParams {
            config: &config,
            net_config,
            client: client.clone(),
            transaction_pool: transaction_pool.clone(),
            spawn_handle: task_manager.spawn_handle(),
            spawn_essential_handle: task_manager.spawn_essential_handle(),
            import_queue,
            block_announce_validator_builder: None,
            warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_sync)),
            block_relay: None,
            metrics,
            gap_sync_body_policy: None,
        })?;

    let role = config.role;
    let name = config.network.node_name.clone();
    let force_authoring = config.force_authoring;
    let finalizes = !config.disable_grandpa;
    let prometheus_registry = config.prometheus_registry().cloned();
    if let Some(registry) = &prometheus_registry {
        crate::memory::show(registry)?;
    }

    let rpc_builder = {
        let (client, pool) = (client.clone(), transaction_pool.clone());
        Box::new(move |_| {
            crate::rpc::module(client.clone(), pool.clone())
                .map_err(|error| ServiceError::Application(error.into()))
        })
    };
    sc_service::spawn_tasks(sc_service::SpawnTasksParams {
        network: network.clone(),
        client: client.clone(),
        keystore: keystore_container.keystore(),
        task_manager: &mut task_manager,
        transaction_pool: transaction_pool.clone(),
        rpc_builder,
        backend,
        system_rpc_tx,
        tx_handler_controller,
        sync_service: sync_service.clone(),
        config,
        telemetry: telemetry.as_mut(),
        tracing_execute_block: None,
    })?;
    let telemetry_handle = || telemetry.as_ref().map(Telemetry::handle);

    let reports_to = OffchainTransactionPoolFactory::new(transaction_pool.clone());
    task_manager.spawn_handle().spawn_blocking(
        "equivocation",
        None,
        crate::equivocation::watch(client.clone(), reports_to.clone()),
    );

    if role.is_authority() {
        let proposer_factory = sc_basic_authorship::ProposerFactory::new(
            task_manager.spawn_handle(),
            client.clone(),
            transaction_pool.clone(),
            prometheus_registry.as_ref(),
            telemetry_handle(),
        );
        let slot_duration = sc_consensus_aura::standalone::slot_duration::<AuraId, _, _>(&*client)?;
        let aura = sc_consensus_aura::start_aura::<AuraPair, _, _, _, _, _, _, _, _, _, _>(
            StartAuraParams {
                slot_duration,
                client,
                select_chain,
                block_import,
                proposer_factory,
                create_inherent_data_providers: move |_, ()| async move { Ok(inherents(slot_duration)) },
                force_authoring,
                backoff_authoring_blocks: None::<()>,
                keystore: keystore_container.keystore(),
                sync_oracle: sync_service.clone(),
                justification_sync_link: sync_service.clone(),
                block_proposal_slot_portion: SlotProportion::new(2. / 3.),
                max_block_proposal_slot_portion: None,
                telemetry: telemetry_handle(),
                compatibility_mode: Default::default(),
            },
        )?;
        // A bookkeeper that cannot author is of no use: its end ends the node.
        task_manager.spawn_essential_handle().spawn_blocking("aura", Some("block-authoring"), aura);
    }

    if finalizes {
        let params = sc_consensus_grandpa::GrandpaParams {
            config: sc_consensus_grandpa::Config {
                gossip_duration: GOSSIP_PERIOD,
                justification_generation_period: JUSTIFICATION_PERIOD,
                name: Some(name),
                observer_enabled: false,
                keystore: role.is_authority().then(|| keystore_container.keystore()),
                local_role: role,
                telemetry: telemetry_handle(),
                protocol_name: grandpa_protocol,
            },
            link: grandpa_link,
            network,
            sync: sync_service,
            notification_service,
            // A lease waits for finality, so voters vote for the best block itself; the rule that
            // stays two blocks behind would cost every order four seconds.
            voting_rule: (),
            prometheus_registry,
            shared_voter_state: SharedVoterState::empty(),
            telemetry: telemetry_handle(),
            offchain_tx_pool_factory: reports_to,
        };
        task_manager.spawn_essential_handle().spawn_blocking(
            "grandpa-voter",
            None,
            sc_consensus_grandpa::run_grandpa_voter(params)?,
        );
    }

    Ok(task_manager)
}

/// The slot and the time, which every block carries.
fn inherents(
    slot_duration: sp_consensus_aura::SlotDuration,
) -> (sp_consensus_aura::inherents::InherentDataProvider, sp_timestamp::InherentDataProvider) {
    let timestamp = sp_timestamp::InherentDataProvider::from_system_time();
    let slot = sp_consensus_aura::inherents::InherentDataProvider::from_timestamp_and_slot_duration(
        *timestamp,
        slot_duration,
    );
    (slot, timestamp)
}
