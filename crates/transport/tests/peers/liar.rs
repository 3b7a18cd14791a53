//! A relay that grants every circuit and hands it to a peer of its own choice.

use std::{future::poll_fn, task::Poll};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    core::{
        muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox},
        transport::{ListenerId, TransportEvent},
        upgrade,
    },
    identity::Keypair,
    multiaddr::Protocol,
    noise, tcp, yamux, Transport,
};
use tokio::{io::copy_bidirectional, net::TcpStream};
use tokio_util::compat::FuturesAsyncReadCompatExt;
use zennet_transport::Multiaddr;

const MULTISTREAM: &[u8] = b"/multistream/1.0.0\n";
const HOP: &[u8] = b"/libp2p/circuit/relay/0.2.0/hop\n";
/// `HopMessage { type: STATUS, status: OK }`.
const GRANTED: [u8; 4] = [0x08, 2, 0x28, 100];

/// Starts it; every circuit ends at `port` of this machine.
pub(crate) async fn relay(port: u16) -> Multiaddr {
    let keypair = Keypair::generate_ed25519();
    let noise = noise::Config::new(&keypair).expect("a key");
    let mut transport = tcp::tokio::Transport::new(tcp::Config::default())
        .upgrade(upgrade::Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux::Config::default())
        .map(|(_, muxer), _| StreamMuxerBox::new(muxer))
        .boxed();
    let any = "/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddr");
    transport.listen_on(ListenerId::next(), any).expect("listens");
    let listening = transport.next().await.expect("goes on");
    let address = listening.into_new_address().expect("listens");
    tokio::spawn(async move {
        while let Some(event) = transport.next().await {
            if let TransportEvent::Incoming { upgrade, .. } = event {
                tokio::spawn(async move { lie(upgrade.await.expect("upgrades"), port).await });
            }
        }
    });
    address.with(Protocol::P2p(keypair.public().to_peer_id()))
}

async fn lie(mut muxer: StreamMuxerBox, port: u16) {
    loop {
        let next = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = muxer.poll_unpin(cx) {
                return Poll::Ready(Err(error));
            }
            muxer.poll_inbound_unpin(cx)
        });
        let Ok(stream) = next.await else { return };
        tokio::spawn(hand_over(stream, port));
    }
}

async fn hand_over(mut stream: SubstreamBox, port: u16) -> std::io::Result<()> {
    assert_eq!(message(&mut stream).await?, MULTISTREAM);
    let protocol = message(&mut stream).await?;
    for said in [MULTISTREAM, &protocol] {
        say(&mut stream, said).await?;
    }
    if protocol != HOP {
        // A ping comes back as it is.
        let (read, mut write) = stream.split();
        futures::io::copy(read, &mut write).await?;
        return Ok(());
    }
    message(&mut stream).await?;
    say(&mut stream, &GRANTED).await?;
    let mut other = TcpStream::connect(("127.0.0.1", port)).await?;
    copy_bidirectional(&mut stream.compat(), &mut other).await?;
    Ok(())
}

/// Reads what stands behind a length of one byte.
async fn message(stream: &mut SubstreamBox) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 1];
    stream.read_exact(&mut length).await?;
    let mut bytes = vec![0; length[0].into()];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn say(stream: &mut SubstreamBox, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(&[bytes.len() as u8]).await?;
    stream.write_all(bytes).await?;
    stream.flush().await
}
