//! Ssh streams between two endpoints.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::JoinSet,
    time,
};
use zennet_transport::{splice, OpenError};

use crate::common::{check_echo, echo, limits, pair, soon, LONG};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_opened_at_once_all_work() {
    let pair = pair(limits()).await;
    echo(pair.at_provider.connection.clone());
    let mut streams = JoinSet::new();
    for n in 0..150u32 {
        let connection = pair.at_publisher.connection.clone();
        streams.spawn(async move {
            let mut stream = connection.open_ssh(LONG).await.expect("opens");
            check_echo(&mut stream, &n.to_le_bytes()).await;
            stream
        });
    }
    let mut open = Vec::new();
    while let Some(stream) = soon(streams.join_next()).await {
        open.push(stream.expect("no panic"));
    }
    assert_eq!(open.len(), 150);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_above_the_limit_wait_and_the_connection_lives() {
    let pair = pair(limits()).await;
    echo(pair.at_provider.connection.clone());
    let publisher = &pair.at_publisher.connection;
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(soon(publisher.open_ssh(LONG)).await.expect("opens"));
    }
    let short = Duration::from_millis(200);
    let one_more = publisher.open_ssh(short).await;
    assert!(matches!(one_more, Err(OpenError::Busy(_, 200))), "{one_more:?}");

    let mut waiting = JoinSet::new();
    for _ in 0..30 {
        let connection = publisher.clone();
        waiting.spawn(async move { connection.open_ssh(LONG).await });
    }
    open.truncate(170);
    for mut stream in soon(waiting.join_all()).await.into_iter().map(|s| s.expect("opens")) {
        check_echo(&mut stream, b"late").await;
        open.push(stream);
    }
    for stream in &mut open {
        soon(check_echo(stream, b"still here")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_reader_stops_its_writer_and_nobody_else() {
    let pair = pair(limits()).await;
    let provider = pair.at_provider.connection.clone();
    let publisher = pair.at_publisher.connection.clone();
    let accepted = tokio::spawn(async move {
        let stream = provider.accept_ssh().await.expect("comes").ready().await.expect("ready");
        (provider, stream)
    });
    let _never_read = soon(publisher.open_ssh(LONG)).await.expect("opens");
    let (provider, mut writer) = accepted.await.expect("no panic");

    let chunk = vec![7; 64 * 1024];
    let mut taken = 0usize;
    while let Ok(n) = time::timeout(Duration::from_secs(1), writer.write(&chunk)).await {
        taken += n.expect("writes");
        assert!(taken < 4 * 1024 * 1024, "took {taken} bytes that nobody reads");
    }

    echo(provider);
    let mut other = soon(publisher.open_ssh(LONG)).await.expect("opens");
    let megabyte = vec![3; 1024 * 1024];
    let (mut read, mut write) = tokio::io::split(&mut other);
    let mut back = vec![0; megabyte.len()];
    let (sent, got) =
        soon(async { tokio::join!(write.write_all(&megabyte), read.read_exact(&mut back)) }).await;
    sent.expect("writes");
    got.expect("reads");
    assert_eq!(back, megabyte);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_input_passes_while_output_still_flows() {
    let pair = pair(limits()).await;
    let provider = pair.at_provider.connection.clone();
    let (machine, mut sshd) = UnixStream::pair().expect("pairs");
    tokio::spawn(async move {
        let stream = provider.accept_ssh().await.expect("comes").ready().await.expect("ready");
        splice(stream, machine).await
    });
    let server = tokio::spawn(async move {
        let mut input = Vec::new();
        sshd.read_to_end(&mut input).await.expect("reads to the end");
        let output = vec![9; 3 * 1024 * 1024];
        sshd.write_all(&output).await.expect("writes after the end of input");
        input
    });

    let (mut client, local) = UnixStream::pair().expect("pairs");
    let stream = soon(pair.at_publisher.connection.open_ssh(LONG)).await.expect("opens");
    let spliced = tokio::spawn(splice(local, stream));
    client.write_all(b"all of the input").await.expect("writes");
    client.shutdown().await.expect("shuts down");
    let mut output = Vec::new();
    soon(client.read_to_end(&mut output)).await.expect("reads");
    assert_eq!(server.await.expect("no panic"), b"all of the input");
    assert_eq!(output.len(), 3 * 1024 * 1024);
    let (up, down) = soon(spliced).await.expect("no panic").expect("ends well");
    assert_eq!((up, down), (16, 3 * 1024 * 1024));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_dies_ends_the_machine_side() {
    let pair = pair(limits()).await;
    let provider = pair.at_provider.connection.clone();
    let (machine, mut sshd) = UnixStream::pair().expect("pairs");
    tokio::spawn(async move {
        let stream = provider.accept_ssh().await.expect("comes").ready().await.expect("ready");
        splice(stream, machine).await
    });
    let stream = soon(pair.at_publisher.connection.open_ssh(LONG)).await.expect("opens");
    drop(stream);
    let chunk = vec![0; 64 * 1024];
    soon(async { while sshd.write_all(&chunk).await.is_ok() {} }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_is_not_ready_at_first_is_tried_again() {
    let pair = pair(limits()).await;
    let provider = pair.at_provider.connection.clone();
    tokio::spawn(async move {
        for _ in 0..3 {
            drop(provider.accept_ssh().await.expect("comes"));
        }
        echo(provider);
    });
    let mut stream = soon(pair.at_publisher.connection.open_ssh(LONG)).await.expect("opens");
    check_echo(&mut stream, b"at last").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_readies_nothing_is_given_up_in_time() {
    let pair = pair(limits()).await;
    let short = Duration::from_millis(300);
    let refused = soon(pair.at_publisher.connection.open_ssh(short)).await;
    assert!(matches!(refused, Err(OpenError::NotReady { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dialer_cannot_open_ssh_streams() {
    let pair = pair(limits()).await;
    let refused = soon(pair.at_provider.connection.open_ssh(Duration::from_millis(500))).await;
    match refused {
        Err(OpenError::NotReady { last, .. }) => assert!(last.contains("/zennet/ssh/1"), "{last}"),
        other => panic!("{other:?}"),
    }
}
